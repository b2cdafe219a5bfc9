"""Show and handle failures: stored attempts and dead letters."""
