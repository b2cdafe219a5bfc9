"""What a job is: its submit description, the files that travel with it, and when it starts again."""
