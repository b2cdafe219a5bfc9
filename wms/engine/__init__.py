"""Graphs of nodes that survive crashes: definitions are launched as runs, and this package alone changes runs."""
