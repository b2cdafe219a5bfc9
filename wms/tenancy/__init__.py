"""Organizations, their people, and the one table of rights."""
