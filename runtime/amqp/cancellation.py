"""Tell a cancelled task from a cancelled wait.

The library cancels whatever waits on a channel that closes. To the waiting task this looks as if somebody had cancelled
the task itself, and only then must the task end.
"""

import asyncio

from runtime.amqp.errors import LIBRARY_ERRORS, ConnectionLost, translate_error
from schemas.errors import EWMSError

#: Whatever a wait on a channel can raise when the broker or the way to it is at fault, or when the task was cancelled.
CHANNEL_ERRORS = (*LIBRARY_ERRORS, asyncio.CancelledError)


def translate_channel_error(error: BaseException) -> EWMSError:
    """Return what one of `CHANNEL_ERRORS` means to a caller.

    Raises:
        CancelledError: the running task itself was cancelled.
    """
    if not isinstance(error, asyncio.CancelledError):
        return translate_error(error)
    task = asyncio.current_task()
    if task is None or task.cancelling():
        raise error
    return ConnectionLost("the channel was closed before the answer")
