"""The machine of a pilot: its name, its clock, and the work done there."""
