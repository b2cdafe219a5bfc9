"""What all processes share with a pilot: its variables, its job's names, its exit statuses."""
