"""Manage workflows, task directives and taskforces: their life cycle, and the order of their starts."""
