"""Find out which event made the broker close a channel. That event has failed; the other events are sent again."""

import asyncio
import re

from aiormq.exceptions import AMQPChannelError, ChannelPreconditionFailed

from runtime.amqp.errors import AccessRefused, ConnectionLost, translate_error
from schemas.errors import EWMSError, TooLarge

_TOO_LARGE = re.compile(r"message size (\d+)")


def translate_loss(error: BaseException) -> EWMSError:
    """Return the error of our families for `error`, which the loss of a channel caused.

    The library cancels every wait for an answer on a lost channel, so a CancelledError becomes `ConnectionLost`.
    """
    if isinstance(error, asyncio.CancelledError):
        return ConnectionLost("the channel was closed before the answer")
    return translate_error(error)


def find_error_of_event(error: BaseException, exchange: str, body: bytes) -> EWMSError | None:
    """Return the error of this event if it made the broker close the channel. Return None if another event did.

    When the broker refuses an event, it closes the channel, so the other events on that channel fail, too. The broker's
    text names the exchange or the size that it refuses.
    """
    if not isinstance(error, AMQPChannelError):
        return None  # the connection ended, so no single event is the cause
    text = str(error)
    if isinstance(error, ChannelPreconditionFailed):
        match = _TOO_LARGE.search(text)
        return TooLarge(text[:500]) if match and int(match[1]) == len(body) else None
    meaning = translate_error(error)
    # The broker calls the nameless exchange `amq.default`.
    named = f"'{exchange or 'amq.default'}'"
    if named in text or (isinstance(meaning, AccessRefused) and "exchange" not in text):
        return meaning
    return None


def explain_timeout(blocked: str, error: EWMSError | None) -> ConnectionLost:
    """Return the error for an event that was not confirmed in time, with the reason if we know it.

    `blocked` is why the broker takes no events ("": it takes them); `error` is that of the last attempt to connect.
    """
    if blocked:
        return ConnectionLost(f"the broker takes no events for now: {blocked}")
    return ConnectionLost(error.reason if error else "the broker did not confirm in time")
