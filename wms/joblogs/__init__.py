"""Keep what the containers of jobs on hosts write, and let people read and follow it (C32)."""
