"""Where clusters live: a schedd, or child processes on this machine. Both implement `interface`."""
