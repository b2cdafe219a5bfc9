"""Read the first lines of a request to the proxy of builds, and decide whether it may pass. (core)"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from urllib.parse import urlsplit

#: The ports of HTTPS and HTTP. Others would reach mail servers and databases of an allowed host.
_PORTS = (443, 80)
_TUNNEL = re.compile(rb"CONNECT ([A-Za-z0-9.-]+):([0-9]{1,5}) HTTP/1\.[01]")
_HOST = re.compile(r"[A-Za-z0-9.-]+")
_PLAIN = re.compile(rb"(GET|HEAD|POST) (http://[!-~]+) (HTTP/1\.[01])")
#: Header fields that concern the proxy only.
_FOR_THE_PROXY = (b"proxy-", b"connection:")


class RequestRefused(ValueError):
    """The request may not pass. The text says why."""


@dataclass(frozen=True, slots=True)
class ProxyRequest:
    """Where a request goes. `head` is what the server gets first; a tunnel has none."""

    host: str
    port: int
    head: bytes = b""


def list_closed_hosts(wanted: Iterable[str], opened: Iterable[str]) -> list[str]:
    """Return the hosts in `wanted` that are no plain names, or that fit no pattern of `opened`."""
    patterns = [pattern.lower() for pattern in opened]
    return [
        host
        for host in wanted
        if not _HOST.fullmatch(host) or not any(fnmatchcase(host.lower(), pattern) for pattern in patterns)
    ]


def read_request(head: bytes, hosts: Iterable[str]) -> ProxyRequest:
    """Return the request that begins with `head`, all its header fields. `hosts` are patterns of allowed hosts.

    Raises:
        RequestRefused: the host or the port is not allowed, or this is no request to a proxy.
    """
    first, *fields = head.split(b"\r\n")
    if tunnel := _TUNNEL.fullmatch(first):
        request = ProxyRequest(tunnel[1].decode().lower(), int(tunnel[2]))
    elif plain := _PLAIN.fullmatch(first):
        request = _read_plain(plain[1], plain[2].decode(), plain[3], fields)
    else:
        raise RequestRefused("this is no request to a proxy for HTTP or HTTPS")
    if request.port not in _PORTS:
        raise RequestRefused(f"the port {request.port} is not open; use HTTP or HTTPS at their own ports")
    if not any(fnmatchcase(request.host, pattern.lower()) for pattern in hosts):
        raise RequestRefused(f"the host {request.host} is not open to this build")
    return request


def _read_plain(method: bytes, url: str, version: bytes, fields: list[bytes]) -> ProxyRequest:
    try:
        parts = urlsplit(url)
        port = parts.port or 80
    except ValueError:
        raise RequestRefused("this is no address") from None
    if not parts.hostname or "@" in parts.netloc:
        raise RequestRefused("the address has no plain host")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    kept = [field for field in fields if field and not field.lower().startswith(_FOR_THE_PROXY)]
    lines = [b"%s %s %s" % (method, target.encode(), version), *kept, b"Connection: close"]
    return ProxyRequest(parts.hostname, port, b"\r\n".join(lines) + b"\r\n\r\n")
