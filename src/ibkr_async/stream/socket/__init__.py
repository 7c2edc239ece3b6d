"""The WebSocket: opening, cutting into frames, closing."""
