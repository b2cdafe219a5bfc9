"""Open a connection at one of a broker's nodes."""

import asyncio
import logging
import ssl
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import aio_pika
from yarl import URL

from runtime.amqp.backoff import in_random_order
from runtime.amqp.errors import LIBRARY_ERRORS, AccessRefused, CertificateRefused, translate_error
from runtime.amqp.wire.tap import TappedConnection, find_unknown_library
from runtime.hosts.certificates import find_tls_context, make_tls_context
from schemas.errors import EWMSError

log = logging.getLogger(__name__)

#: The options with which an address itself says how to check the certificate. Source: aiormq, "SSL options".
_IN_ADDRESS = {"cafile", "capath", "cadata", "no_verify_ssl"}


async def open_at_one(urls: Sequence[URL], *, timeout_s: float, ca_file: str = "") -> aio_pika.abc.AbstractConnection:
    """Return a connection to one of `urls`, which are one broker's nodes. Try them in a random order, each once.

    `ca_file` names the authorities to trust besides the system's; "": those of the process.

    Raises:
        AccessRefused: no node lets the user in, and one of them refuses the credentials, the token or the vhost.
        CertificateRefused: no node lets the user in, and the certificate of one is not to be trusted.
        BadAuthorities: the file of authorities cannot be used.
        ConnectionLost: no node answers within `timeout_s`.
    """
    errors: list[EWMSError] = []
    for url in in_random_order(urls):
        context = _find_context(url, ca_file)
        try:
            async with asyncio.timeout(timeout_s):
                return await aio_pika.connect(url, connection_class=_choose_connection(), ssl_context=context)
        except (*LIBRARY_ERRORS, TimeoutError) as error:
            errors.append(translate_error(error))
    # A node that refuses says more than one that does not answer.
    refusals = (error for error in errors if isinstance(error, AccessRefused | CertificateRefused))
    raise next(refusals, errors[-1])


def _find_context(url: URL, ca_file: str) -> ssl.SSLContext | None:
    """Return how to check the broker's certificate; None: as the library does. An authority in the address goes first.

    Raises:
        BadAuthorities: the file of authorities cannot be used.
    """
    if url.scheme != "amqps" or _IN_ADDRESS & url.query.keys():
        return None
    return make_tls_context(Path(ca_file)) if ca_file else find_tls_context()


def _choose_connection() -> type[aio_pika.abc.AbstractConnection]:
    """Return the class of connections: with a tap, or the library's own if we have not tested this version of it."""
    if unknown := find_unknown_library():
        _warn_once(unknown)
        return aio_pika.Connection
    return TappedConnection


@cache
def _warn_once(unknown: str) -> None:
    log.warning("events are slower: EWMS does not know the frames of %s", unknown)
