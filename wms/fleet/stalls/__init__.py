"""Find work that waits in vain, the workers that are missing, and the reasons."""
