"""Distinguish a cancelled task from a cancelled wait.

If a channel closes, the library cancels all waits on that channel. To the waiting task this looks as if the task itself
was cancelled. But only if the task itself was cancelled must it end.
"""

import asyncio

from runtime.amqp.errors import LIBRARY_ERRORS, ConnectionLost, translate_error
from schemas.errors import EWMSError

#: The errors of a wait on a channel: the broker or the network is at fault, or the task was cancelled.
CHANNEL_ERRORS = (*LIBRARY_ERRORS, asyncio.CancelledError)


def translate_channel_error(error: BaseException) -> EWMSError:
    """Return the error of our families for `error`, which is one of `CHANNEL_ERRORS`.

    Raises:
        CancelledError: the running task itself was cancelled.
    """
    if not isinstance(error, asyncio.CancelledError):
        return translate_error(error)
    task = asyncio.current_task()
    if task is None or task.cancelling():
        raise error
    return ConnectionLost("the channel was closed before the answer")
