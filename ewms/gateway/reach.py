"""Choose how to reach an address over HTTP: directly if it is this machine's loopback, else by the environment's
proxy.
"""

import ipaddress
from typing import Any
from urllib.parse import urlsplit

import httpx2

from runtime.hosts.certificates import find_http_options
from schemas.errors import Rejected


def is_loopback(address: str) -> bool:
    """Return whether the URL `address` is on this machine's own loopback, which a proxy on another machine cannot
    reach.
    """
    host = urlsplit(address).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def http_client(address: str, **options: Any) -> httpx2.AsyncClient:
    """Make an HTTP client for URLs at `address`. It uses the environment's proxy unless `address` is on loopback.

    Raises:
        Rejected: the environment names a proxy, or a file of authorities, that cannot be used.
    """
    trusted = find_http_options(address)
    try:
        return httpx2.AsyncClient(trust_env=not is_loopback(address), **trusted, **options)
    except (ValueError, ImportError, httpx2.InvalidURL) as error:
        # Do not show the library's text: it may quote the proxy's address, and a password in it.
        why = "SOCKS needs the package socksio" if isinstance(error, ImportError) else "its address is not valid"
        raise Rejected(
            f"the proxy that the environment names cannot be used ({why})",
            hint="correct HTTPS_PROXY, HTTP_PROXY or ALL_PROXY, or name this server in NO_PROXY",
        ) from error
