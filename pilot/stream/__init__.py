"""Run warm tasks: one container for each slot runs on and gets one event a line. `lines` and `slot` are cores."""
