"""Warm tasks: one container for each slot, kept alive and fed an event a line. `lines` and `slot` are the cores."""
