"""The commands of `ewms`, one module for each group."""
