"""Decision trees on a server: launch templates, watch their jobs, draw their graphs."""
