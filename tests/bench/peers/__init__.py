"""Other engines, for `make bench ARGS=engine`: the same chain of steps in each, on the same broker and disk.

The programs `celery_chain` and `dbos_chain` run in an environment of their own (`environment`). Nothing else here
imports what they import, and no test needs it.
"""
