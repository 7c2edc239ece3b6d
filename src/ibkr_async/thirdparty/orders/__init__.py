"""What an order of the Third-Party Web API is, what a change makes of it, and its fate once sent."""
