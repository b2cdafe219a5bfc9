"""What failed: stored attempts and dead letters."""
