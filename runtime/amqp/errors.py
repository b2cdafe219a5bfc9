"""Convert the broker's answers to the error families, which say who must act next.

Source: AMQP 0-9-1 specification, "Reply code listing".
"""

import re
from typing import ClassVar

from aiormq.exceptions import (
    AMQPError,
    ChannelAccessRefused,
    ChannelNotFoundEntity,
    ChannelPreconditionFailed,
    ConnectionNotAllowed,
    DeliveryError,
    InvalidFrameError,
    ProbableAuthenticationError,
    PublishError,
)

from runtime.hosts.certificates import explain_distrust
from schemas.errors import EWMSError, Rejected, Unavailable

#: The errors that a call to the broker can raise because of the broker or the network. aiormq raises RuntimeError
#: (`ChannelInvalidStateError`) for a channel that has just closed.
LIBRARY_ERRORS = (AMQPError, ConnectionError, OSError, RuntimeError)


class ConnectionLost(Unavailable):
    """The connection to the broker is closed, or was closed before the broker's answer."""


class Unroutable(Unavailable):
    """No queue is bound that takes the event. The broker returned the event, and a queue may be bound later."""


class QueueFull(Unavailable):
    """The queue refused the event because the queue has reached its length limit. It keeps the events that it has."""


class NotDeclared(Unavailable):
    """The exchange or the queue does not exist, or does not exist yet."""


class NoLeader(Unavailable):
    """The queue has no leader on the broker, so it takes and gives no events. It may hold some."""


class DeclaredOtherwise(Unavailable):
    """The queue or the exchange exists already, with other arguments. Somebody must delete it."""


class AccessRefused(Rejected):
    """The broker refused the credentials, or the credentials give no right to do this."""

    code: ClassVar[int] = 403


class CertificateRefused(Rejected):
    """The broker's certificate is not to be trusted."""


def translate_error(error: BaseException | None) -> EWMSError:
    """Return the error of our families for `error`, an error of the library."""
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
            return AccessRefused("the broker refuses these credentials for the vhost")
        case ChannelNotFoundEntity():
            return NotDeclared(_error_text(error))
        case ChannelPreconditionFailed() if "inequivalent" in str(error):
            return DeclaredOtherwise(_error_text(error))
        case TimeoutError():
            return ConnectionLost("the broker did not answer in time")
        case _:
            why, remedy = explain_distrust(error)
            if why:
                return CertificateRefused(f"the broker's certificate is refused: {why}", hint=remedy)
            return ConnectionLost(_error_text(error))


#: For a refused vhost the library reports a frame out of order, without the broker's text. Source: aiormq 7.2,
#: Connection._rpc.
_REFUSED_VHOST = re.compile(r"Connection\.OpenOk.*Connection\.Close")


def _error_text(error: BaseException | None) -> str:
    text = str(error) if error is not None else ""
    return text[:500] or (type(error).__name__ if error is not None else "the connection was closed")
