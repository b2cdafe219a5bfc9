"""Inventories in MongoDB, for principals."""
