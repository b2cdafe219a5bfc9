"""Tell a cancelled task from a cancelled wait.

The library cancels whatever waits on a channel that closes. To the waiting task this looks as if somebody had cancelled
the task itself, and only then must the task end.
"""

import asyncio


def is_task_cancelled() -> bool:
    """Return whether the running task itself was cancelled. If so, a `CancelledError` that it has caught must go on."""
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0
