"""Processes of step lists from Python: start, watch, resume and abort them."""
