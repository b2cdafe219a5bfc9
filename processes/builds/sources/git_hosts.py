"""Find the addresses of a repository's host, and refuse those that are not of the internet.

git runs with the network of the builder's machine, and a task's author chooses the host. So without the operator's word
no fetch goes to this machine or to its networks. git gets the addresses that were checked: a name server that answers
otherwise the next time changes nothing.
"""

import socket
from collections.abc import Callable, Iterable
from urllib.parse import urlsplit

from processes.builds.build_errors import BuildFailed
from schemas.automation.build_sources import names_host
from schemas.rules.address_kinds import is_public

_PORTS = {"https": 443, "http": 80}


def list_addresses(host: str, port: int) -> list[str]:
    """Return the IP addresses of `host`.

    Raises:
        OSError: no name server knows it.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def pin_git_host(
    url: str, hosts: Iterable[str], find_addresses: Callable[[str, int], list[str]] = list_addresses
) -> str:
    """Return git's setting `http.curloptResolve` for `url`: the host, its port, and its addresses.

    Return "" if the operator's `hosts` name the host: then any address of it is allowed.

    Raises:
        BuildFailed: the host is unknown, or one of its addresses is not of the internet.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    if names_host(host, hosts):
        return ""
    port = parts.port or _PORTS.get(parts.scheme, 0)
    try:
        addresses = find_addresses(host, port)
    except OSError as error:
        raise BuildFailed(f"url: the host {host} is not known here: {error}; check the address") from error
    if inner := [each for each in addresses if not is_public(each)]:
        raise BuildFailed(
            f"url: the host {host} has the address {inner[0]}, which is not of the internet; the operator allows "
            "such a host by its name in EWMS_BUILD_GIT_HOSTS"
        )
    shown = [f"[{each}]" if ":" in each else each for each in addresses]
    return f"{host}:{port}:{','.join(shown)}"
