"""The engine: launch definitions as runs, graphs of nodes that survive crashes. Only this package changes runs."""
