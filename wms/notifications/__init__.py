"""Notifications: tell receivers about the jobs of templates, and show what became of it."""
