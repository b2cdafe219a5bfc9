"""The census: what a running system leaves open to another account of the machine, and to a user's task."""
