"""OAuth 1.0a: first party and third party."""
