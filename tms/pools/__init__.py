"""Two pools run clusters: a schedd, and child processes on this machine. Both implement `interface`."""
