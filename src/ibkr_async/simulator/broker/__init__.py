"""The broker: contracts, prices, orders, positions."""
