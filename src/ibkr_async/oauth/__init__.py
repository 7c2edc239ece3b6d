"""OAuth 1.0a as IBKR does it: pure functions over text, bytes and integers. No I/O, no clock, no randomness."""
