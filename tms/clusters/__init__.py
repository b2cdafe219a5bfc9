"""Clusters in a pool: start and stop them, renew their tokens, repeat what a lost message left undone."""
