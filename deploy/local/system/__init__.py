"""The whole system: its servers and processes, their wiring, its data directory, its start and its end."""
