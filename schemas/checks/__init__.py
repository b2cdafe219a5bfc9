"""Find all faults of a request at once, each with its remedy. Every module here is a core."""
