"""The stream's protocol, with no socket, task or clock in it."""
