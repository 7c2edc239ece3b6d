"""The WebSocket multiplexer: topics, a core without I/O, buffers, subscriptions and the connection."""
