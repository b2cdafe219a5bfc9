"""EWMS's own step lists. A step worker runs them, like the step lists of any user."""
