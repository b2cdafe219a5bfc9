"""The HTTP half of a process: serve routes, check tokens, withstand peers that mean harm."""
