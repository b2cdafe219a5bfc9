"""Define, submit and follow workflows, and see what failed in them."""
