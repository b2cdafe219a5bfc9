"""Describe jobs: their submit description, the files that travel with them, and when they start again."""
