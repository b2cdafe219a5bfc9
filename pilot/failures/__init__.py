"""Why a container failed, in words: what it printed last, and how its program ended."""
