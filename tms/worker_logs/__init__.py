"""The workers' stdout and stderr: read them, keep them while the disk has room, and pack them."""
