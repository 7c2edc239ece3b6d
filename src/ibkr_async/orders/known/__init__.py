"""What is known of each order, from every source, in one place."""
