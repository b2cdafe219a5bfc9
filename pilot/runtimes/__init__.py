"""The ways to run a task container: one module each turns arguments into that program's argv. (core, but `choice`)

`choice` looks at the worker and chooses; the others only write commands.
"""
