"""What is wrong with a request: every rule at once, each fault with its remedy. Every module here is a core."""
