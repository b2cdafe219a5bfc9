"""Make tokens for the broker: decide who may read and write which queue, and sign with the keys."""
