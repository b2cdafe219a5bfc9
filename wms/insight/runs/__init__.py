"""Explain why a process or a tree stands as it does: from its nodes, the runs below it, step workers and the lock."""
