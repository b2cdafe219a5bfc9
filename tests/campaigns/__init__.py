"""Long campaigns, each a `make` target of its own: they find what a test of seconds cannot."""
