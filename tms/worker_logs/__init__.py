"""Read the workers' stdout and stderr, keep them while the disk has room, and pack them."""
