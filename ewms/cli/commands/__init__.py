"""The commands of `ewms`, one module for each group, in a room for each subject."""
