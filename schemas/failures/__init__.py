"""Failures as data: attempts, errors and dead letters."""
