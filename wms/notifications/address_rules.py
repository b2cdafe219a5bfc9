"""Decide to which addresses notifications may go. (core)

Users name the receivers, and WMS sends from within its own network. So by default nothing goes to the machine itself
or to link-local addresses, where clouds serve the secrets of their machines.
"""

import ipaddress

from schemas.errors import Rejected


class ForbiddenAddress(Rejected):
    """WMS must not send a notification to this address."""


def is_forbidden(address: str) -> bool:
    """Return whether `address`, an IP address as text, is loopback, link-local, multicast or unspecified.

    Return True also for a text that is no IP address.
    """
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return True
    if isinstance(found, ipaddress.IPv6Address):
        # These carry an IPv4 address, which is what counts.
        within = (
            found.ipv4_mapped or found.sixtofour or (found.teredo[1] if found.teredo else None) or _find_nat64(found)
        )
        if within is not None:
            return is_forbidden(str(within))
    return found.is_loopback or found.is_link_local or found.is_unspecified or found.is_multicast or _is_this_net(found)


_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_THIS_NETWORK = ipaddress.ip_network("0.0.0.0/8")


def _find_nat64(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF) if address in _NAT64 else None


def _is_this_net(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    return isinstance(address, ipaddress.IPv4Address) and address in _THIS_NETWORK


def check_address(address: str, host: str, *, allows_local: bool) -> None:
    """Check that WMS may send a notification to `address`, which is one of the addresses of `host`.

    If `allows_local`, each address is allowed, loopback and link-local ones included.

    Raises:
        ForbiddenAddress: WMS may not send there.
    """
    if not allows_local and is_forbidden(address):
        raise ForbiddenAddress(
            f"{host} has the address {address}: notifications to loopback and link-local addresses are not allowed",
            hint="name another host, or set EWMS_NOTIFICATIONS_TO_LOCAL_HOSTS=true in the settings of WMS",
        )
