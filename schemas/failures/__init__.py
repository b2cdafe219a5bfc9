"""What failed, as data: attempts, errors and dead letters."""
