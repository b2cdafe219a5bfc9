"""The words that services share with a pilot: its variables, the names of its job, its exit statuses."""
