"""Decide to which addresses notifications may go. (core)

Users name the receivers, and WMS sends from within its own network. So by default nothing goes to the machine itself
or to link-local addresses, where clouds serve the secrets of their machines.
"""

from schemas.errors import Rejected
from schemas.rules.address_kinds import is_local


class ForbiddenAddress(Rejected):
    """WMS must not send a notification to this address."""


def check_address(address: str, host: str, *, allows_local: bool) -> None:
    """Check that WMS may send a notification to `address`, which is one of the addresses of `host`.

    If `allows_local`, each address is allowed, loopback and link-local ones included.

    Raises:
        ForbiddenAddress: WMS may not send there.
    """
    if not allows_local and is_local(address):
        raise ForbiddenAddress(
            f"{host} has the address {address}: notifications to loopback and link-local addresses are not allowed",
            hint="name another host, or set EWMS_NOTIFICATIONS_TO_LOCAL_HOSTS=true in the settings of WMS",
        )
