"""Workflows: request them, follow them, and see what failed."""
