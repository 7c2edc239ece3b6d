"""msgspec structs for IBKR's payloads, one file per group of its documentation."""
