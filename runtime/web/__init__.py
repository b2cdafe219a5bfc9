"""The HTTP part of a process: serve routes, check tokens, resist hostile peers."""
