"""MQS: creates a workflow's queues, mints the tokens that open them, and takes the queues away again."""
