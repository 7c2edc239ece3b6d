"""The socket of the simulator and its topics."""
