"""Explain why a container failed, from its last output and from the exit code of its program."""
