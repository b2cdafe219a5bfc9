"""Find all faults of a request at once, each with its remedy. Every module in this package is a core."""
