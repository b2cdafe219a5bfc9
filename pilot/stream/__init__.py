"""Run warm tasks: one container for each slot stays alive and gets events as lines. `lines` and `slot` are cores."""
