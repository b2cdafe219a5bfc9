"""Inventories and their hosts, with and without an event loop."""
