"""Decide about the life of a workflow. Every module here is a core."""
