"""The pilot runs on a worker: it takes events, runs the task's container on each event, and publishes the output.

The pilot is copied to workers, so it needs few libraries: aio-pika, and htchirp under HTCondor. Of EWMS it imports only
`schemas` and `runtime.amqp`. Read `__main__` -> `app` -> `run` -> `lifecycle`.
"""
