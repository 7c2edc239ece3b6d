"""How an order leaves: permission, the dialogue, exercise."""
