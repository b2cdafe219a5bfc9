"""The life of a workflow: every decision about it. Every module here is a core."""
