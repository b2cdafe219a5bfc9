"""Say of an IP address whether it is the machine's own or its link's, and whether it is public. (core)

An IPv6 address may carry an IPv4 address. Then the IPv4 address is what counts.
"""

import ipaddress

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_THIS_NETWORK = ipaddress.ip_network("0.0.0.0/8")


def is_local(address: str) -> bool:
    """Return whether `address` is loopback, link-local, multicast or unspecified; True also if it is no IP address."""
    found = _read_address(address)
    if found is None:
        return True
    return found.is_loopback or found.is_link_local or found.is_unspecified or found.is_multicast or _is_this_net(found)


def is_public(address: str) -> bool:
    """Return whether `address` is one of the internet; False also if it is no IP address."""
    found = _read_address(address)
    return found is not None and found.is_global and not found.is_multicast


def _read_address(text: str) -> _Address | None:
    try:
        found = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    while isinstance(found, ipaddress.IPv6Address):
        teredo = found.teredo[1] if found.teredo else None
        within = found.ipv4_mapped or found.sixtofour or teredo or _find_nat64(found)
        if within is None:
            break
        found = within
    return found


def _find_nat64(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF) if address in _NAT64 else None


def _is_this_net(address: _Address) -> bool:
    return isinstance(address, ipaddress.IPv4Address) and address in _THIS_NETWORK
