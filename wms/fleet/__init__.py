"""Workflows, task directives and taskforces: their life cycle, and what is launched next."""
