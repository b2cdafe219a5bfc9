"""MQS creates a workflow's queues, mints the tokens that open them, and deletes the queues after the workflow."""
