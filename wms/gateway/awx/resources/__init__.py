"""The routes of each kind of object, people apart."""
