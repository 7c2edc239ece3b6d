"""What users iterate: the one consumer, and what is folded on top of it."""
