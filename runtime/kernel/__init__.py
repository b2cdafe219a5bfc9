"""The kernel: one decision becomes one transaction, and its events go out after the commit."""
