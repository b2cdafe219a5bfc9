"""Convert the address of a broker, as settings and profiles write it, to the URLs that the library needs.

user@host:5672/ewms     amqp://user:pass@127.0.0.1:5672/ewms-control     host     user@one:5672,two:5672/ewms

A broker of several nodes has an address with several hosts, as MongoDB's addresses have. User, password, vhost and
options are the same at all of them.
"""

import re

from yarl import URL

from runtime.hosts.host_list import parse_hosts
from schemas.errors import Rejected

_DEFAULT_PORTS = {"amqp": 5672, "amqps": 5671}
_HOST = re.compile(r"[A-Za-z0-9_.:-]+")


def broker_url(address: str, *, token: str | None = None, heartbeat_s: int = 15, name: str = "") -> URL:
    """Return the URL of `address`, which is `[SCHEME://][USER[:PASS]@]HOST[:PORT][/VHOST]`.

    A `token` replaces the password. If `address` has `?heartbeat=SECONDS`, that is the heartbeat, else `heartbeat_s`.

    Raises:
        Rejected: `address` is not the address of a broker.
    """
    text = address if "://" in address else f"amqp://{address}"
    try:
        url = URL(text)
        port = url.port
    except ValueError as error:
        raise Rejected(f"not a broker address: {_without_credentials(address)}") from error
    if url.scheme not in _DEFAULT_PORTS or not _HOST.fullmatch(url.raw_host or ""):
        raise Rejected(f"not a broker address: {_without_credentials(address)}")
    url = url.with_port(port or _DEFAULT_PORTS[url.scheme])
    if token is not None:
        # RabbitMQ's OAuth backend ignores the user name, but PLAIN requires one.
        url = url.with_user(url.user or "ewms").with_password(token)
    query = {"heartbeat": url.query.get("heartbeat", str(heartbeat_s))}
    if name:
        query["name"] = name
    return url.update_query(query)


def broker_urls(address: str, *, token: str | None = None, heartbeat_s: int = 15, name: str = "") -> tuple[URL, ...]:
    """Return the URL of each host of `address`, in their order; see `broker_url`.

    Raises:
        Rejected: `address` is not the address of a broker.
    """
    return tuple(
        broker_url(one, token=token, heartbeat_s=heartbeat_s, name=name)
        for one in parse_hosts(address).name_addresses()
    )


def _without_credentials(address: str) -> str:
    # Everything before the last @ may be a credential.
    return repr(address.rpartition("@")[2][:200])
