"""Decide about the life of a run. Every module here is a core."""
