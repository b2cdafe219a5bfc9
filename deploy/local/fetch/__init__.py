"""Download the programs of the real services once, unpack them, and make them run from any directory."""
