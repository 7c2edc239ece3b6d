"""What reaches consumers: the events, and the buffer that waits for them."""
