"""The builds of tasks: their orders, their keys, their logs, and the watch over their runs."""
