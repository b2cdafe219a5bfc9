"""Fetch the code of a task, from git or from a directory of this machine, and say which state of it that is."""
