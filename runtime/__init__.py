"""The shell that every process stands in: broker, store, tokens, logs, start and drain. It knows no workflow.

This file imports nothing: the pilot and the client use `runtime.amqp` alone and travel without the rest.
"""
