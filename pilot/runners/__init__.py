"""Carry out what the pilot's cores decide."""
