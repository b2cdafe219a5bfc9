"""Secrets of organizations: set, list and delete them. Their values never come back."""
