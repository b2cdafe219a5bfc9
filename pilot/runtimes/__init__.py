"""Run a task container in one of several ways. Each module builds the argv of one program. (core, except `choice`)

`choice` looks at the worker and chooses a runtime. The other modules only build commands.
"""
