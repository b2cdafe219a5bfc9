"""The pilot: on a worker, takes events, runs the task's container on each, and answers.

It travels: aio-pika is its only library (htchirp where HTCondor listens), and of EWMS it needs `schemas` and
`runtime.amqp`. Read `__main__` -> `app` -> `run` -> `lifecycle`.
"""
