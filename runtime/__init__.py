"""The parts that every process needs: broker, database, tokens, logs, start and stop. This package knows no workflows.

This file imports nothing: the pilot and the client use only `runtime.amqp`, and are installed without the other parts.
"""
