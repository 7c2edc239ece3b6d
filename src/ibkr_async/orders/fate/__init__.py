"""What became of an order whose answer was lost."""
