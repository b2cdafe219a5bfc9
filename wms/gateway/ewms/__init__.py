"""The routes of our own dialect, one module for each subject; large subjects have a room."""
