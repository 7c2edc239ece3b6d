"""The REST endpoints of the simulator."""
