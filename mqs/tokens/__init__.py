"""Tokens for the broker: who may read and write which queue, and the keys that sign them."""
