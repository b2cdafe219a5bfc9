"""The ways to run a task container: one module each turns arguments into that program's argv. (core, but `found`)

`found` looks at the worker and chooses; the others only write commands.
"""
