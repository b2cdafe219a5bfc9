"""The pilot runs on a worker: it takes events, runs the task's container on each, and publishes the output.

It is copied to workers, so it needs little: aio-pika as its only library (htchirp under HTCondor), and of EWMS only
`schemas` and `runtime.amqp`. Read `__main__` -> `app` -> `run` -> `lifecycle`.
"""
