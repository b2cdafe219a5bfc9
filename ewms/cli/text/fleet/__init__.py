"""Workflows, tasks, taskforces and their workers as text."""
