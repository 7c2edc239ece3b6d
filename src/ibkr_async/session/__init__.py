"""The brokerage session: its state table and the keeper that holds it open."""
