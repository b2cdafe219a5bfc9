"""Tell a cancelled task from a cancelled wait.

The library cancels whatever waits on a channel that goes. To the task that waits this looks as if somebody had
cancelled the task itself, which must end then.
"""

import asyncio


def is_task_cancelled() -> bool:
    """Return whether the running task itself was cancelled: a `CancelledError` that it has caught goes on then."""
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0
