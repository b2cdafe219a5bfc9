"""The parts that every process needs: broker, database, tokens, logs, start and stop. It knows nothing of workflows.

This file imports nothing: the pilot and the client use only `runtime.amqp`, and travel without the rest.
"""
