"""Turn the broker's answers into the error families, which say who has to act next.

Source of the reply codes: AMQP 0-9-1 specification, "Reply code listing".
"""

import re
from typing import ClassVar

from aiormq.exceptions import (
    AMQPError,
    ChannelAccessRefused,
    ChannelNotFoundEntity,
    ConnectionNotAllowed,
    DeliveryError,
    InvalidFrameError,
    ProbableAuthenticationError,
    PublishError,
)

from schemas.errors import EWMSError, Rejected, Unavailable

#: Whatever a call to the broker can raise when the broker or the way to it is at fault. aiormq raises RuntimeError
#: (`ChannelInvalidStateError`) for a channel that has just closed.
LIBRARY_ERRORS = (AMQPError, ConnectionError, OSError, RuntimeError)


class ConnectionLost(Unavailable):
    """The connection to the broker is down, or went down before the answer."""


class Unroutable(Unavailable):
    """The event found no queue. It is not lost: the broker gave it back, and the queue may come (again)."""


class QueueFull(Unavailable):
    """The queue refused the event (its length limit is reached); nothing accepted before was dropped."""


class NotDeclared(Unavailable):
    """The exchange or the queue does not exist (yet)."""


class AccessRefused(Rejected):
    """The credentials or their rights do not allow this."""

    code: ClassVar[int] = 403


def translate_error(error: BaseException | None) -> EWMSError:
    """Return what a library error means to a caller."""
    match error:
        case EWMSError():
            return error
        case PublishError():
            return Unroutable("the event found no queue")
        case DeliveryError():
            return QueueFull("the queue refused the event")
        case ChannelAccessRefused() | ProbableAuthenticationError() | ConnectionNotAllowed():
            return AccessRefused(_error_text(error))
        case InvalidFrameError() if _REFUSED_VHOST.search(str(error)):
            return AccessRefused("the broker refuses the vhost to these credentials")
        case ChannelNotFoundEntity():
            return NotDeclared(_error_text(error))
        case TimeoutError():
            return ConnectionLost("the broker did not answer in time")
        case _:
            return ConnectionLost(_error_text(error))


#: A refused vhost reaches us as a frame out of order, without the broker's text. Source: aiormq 7.2, Connection._rpc.
_REFUSED_VHOST = re.compile(r"Connection\.OpenOk.*Connection\.Close")


def _error_text(error: BaseException | None) -> str:
    text = str(error) if error is not None else ""
    return text[:500] or (type(error).__name__ if error is not None else "the connection was closed")
