"""The ways to run a task container. Each module turns arguments into the argv of one program. (core, except `choice`)

`choice` looks at the worker and chooses a runtime. The others only build commands.
"""
