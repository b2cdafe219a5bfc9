"""Open a connection at one of a broker's nodes."""

import asyncio
import logging
from collections.abc import Sequence
from functools import cache

import aio_pika
from yarl import URL

from runtime.amqp.backoff import in_random_order
from runtime.amqp.errors import LIBRARY_ERRORS, AccessRefused, translate_error
from runtime.amqp.wire.tap import TappedConnection, find_unknown_library
from schemas.errors import EWMSError

log = logging.getLogger(__name__)


async def open_at_one(urls: Sequence[URL], *, timeout_s: float) -> aio_pika.abc.AbstractConnection:
    """Return a connection to one of `urls`, which are one broker's nodes. Try them in a random order, each once.

    Raises:
        AccessRefused: no node lets the user in, and one of them refuses the credentials, the token or the vhost.
        ConnectionLost: no node answers within `timeout_s`.
    """
    errors: list[EWMSError] = []
    for url in in_random_order(urls):
        try:
            async with asyncio.timeout(timeout_s):
                return await aio_pika.connect(url, connection_class=_choose_connection())
        except (*LIBRARY_ERRORS, TimeoutError) as error:
            errors.append(translate_error(error))
    # A node that refuses says more than one that does not answer.
    raise next((error for error in errors if isinstance(error, AccessRefused)), errors[-1])


def _choose_connection() -> type[aio_pika.abc.AbstractConnection]:
    """Return the class of connections: with a tap, or the library's own if we have not tested this version of it."""
    if unknown := find_unknown_library():
        _warn_once(unknown)
        return aio_pika.Connection
    return TappedConnection


@cache
def _warn_once(unknown: str) -> None:
    log.warning("events are slower: EWMS does not know the frames of %s", unknown)
