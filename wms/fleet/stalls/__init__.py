"""Work that waits in vain: which workers are missing, and why."""
