"""Take apart an address that may have several hosts, such as `amqp://user:password@one:5672,two:5672/vhost`. (core)

`urllib.parse.urlsplit` cannot: it refuses a list of hosts with an IPv6 address in it.
"""

import re
from dataclasses import dataclass

_END_OF_HOSTS = re.compile(r"[/?#]")
_ENCRYPTED_SCHEMES = frozenset({"amqps", "https", "mongodb+srv"})
_ENCRYPTED_OPTION = re.compile(r"[?&](?:tls|ssl)=true\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class HostList:
    """The parts of an address. `scheme` and `login` are "" where it has none."""

    scheme: str
    #: `user:password`, as the address has it.
    login: str
    #: Each `host` or `host:port`, in their order.
    hosts: tuple[str, ...]
    #: What follows the hosts: path, query and fragment.
    rest: str

    def name_addresses(self) -> list[str]:
        """Return an address for each host, in their order. All other parts are the same."""
        return [self._name_address(host) for host in self.hosts]

    def join_parts(self) -> str:
        """Return the whole address."""
        return self._name_address(",".join(self.hosts))

    def _name_address(self, hosts: str) -> str:
        scheme = f"{self.scheme}://" if self.scheme else ""
        login = f"{self.login}@" if self.login else ""
        return f"{scheme}{login}{hosts}{self.rest}"


def parse_hosts(address: str) -> HostList:
    """Return the parts of `address`. A password may have an `@` itself: the last one ends it."""
    scheme, sign, after = address.partition("://")
    if not sign:
        scheme, after = "", address
    place = _END_OF_HOSTS.split(after, maxsplit=1)[0]
    login, _, hosts = place.rpartition("@")
    return HostList(scheme, login, tuple(hosts.split(",")), after[len(place) :])


def is_encrypted(address: str) -> bool:
    """Return whether a client of `address` uses TLS: its scheme says so, or an option of MongoDB's."""
    return parse_hosts(address).scheme.lower() in _ENCRYPTED_SCHEMES or _ENCRYPTED_OPTION.search(address) is not None
