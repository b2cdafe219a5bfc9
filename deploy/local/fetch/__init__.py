"""The programs of the real services: download them once, unpack them, make them run from any place."""
