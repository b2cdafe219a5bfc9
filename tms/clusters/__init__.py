"""Manage clusters in a pool: start and stop them, renew their tokens, and repair the effects of lost events."""
