"""The Third-Party Web API v1 of the simulator."""
