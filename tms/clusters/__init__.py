"""Clusters in a pool: start and stop them, renew their tokens, and repair what a lost message left undone."""
