"""Load the certificates of the authorities once a process, not once a client.

Each client of httpx2 loads some 140 certificates, also one that speaks only plain HTTP on loopback, as those of the
tests do. That takes 25 ms of a core, a test starts up to six clients, and hundreds of tests do.
"""

import functools
import os
import ssl

# Where clients look the function up. httpx2 has no option for certificates that clients share.
from httpx2._transports import default as transports

#: What names other certificates than the machine's own.
_NAMED_BY = ("SSL_CERT_FILE", "SSL_CERT_DIR")


def load_certificates_once() -> None:
    """Let clients that trust the same authorities share what they have loaded, in this process."""
    load = transports.create_ssl_context

    @functools.cache
    def load_once(_places: tuple[str | None, ...], trust_env: bool) -> ssl.SSLContext:
        return load(trust_env=trust_env)

    def find_context(verify: ssl.SSLContext | str | bool = True, cert: object = None, trust_env: bool = True) -> object:
        # A client that brings certificates gets a context of its own.
        if verify is not True or cert is not None:
            return load(verify=verify, cert=cert, trust_env=trust_env)
        return load_once(tuple(map(os.environ.get, _NAMED_BY)), trust_env)

    transports.create_ssl_context = find_context
