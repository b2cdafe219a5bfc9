"""Files of a launcher: locks, secrets, the directory of a run."""
