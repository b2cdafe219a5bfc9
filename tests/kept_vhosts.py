"""Control vhosts that one test after the other uses. A new vhost with its inboxes costs the broker 0.7 s of CPU.

A vhost has no messages and no connections when a test gets it. The inboxes of WMS, of MQS and of the TMS of
`ewms@localhost` may be there from a test before, with the queues for events that are set aside; other queues are not.
"""

import secrets
from collections.abc import Sequence

from deploy.local.choices.launch_options import SCHEDD
from deploy.local.servers.broker_admin import BrokerAdmin
from schemas.broker.services import Service
from schemas.broker.topology import dead_inbox, inbox_queue, parked_inbox, tms_service

_SERVICES = (Service.WMS.value, Service.MQS.value, tms_service(SCHEDD))
_KEPT = frozenset(name(service) for service in _SERVICES for name in (inbox_queue, dead_inbox, parked_inbox))


class KeptVhosts:
    """The control vhosts of one broker that no test uses at the moment."""

    def __init__(self, admin: BrokerAdmin, users: Sequence[str]) -> None:
        self._admin = admin
        self._users = users
        self._free: list[str] = []

    def take_vhost(self) -> str:
        """Return an empty vhost of a test before, or a new one."""
        if self._free:
            return self._free.pop()
        vhost = f"control-{secrets.token_hex(6)}"
        self._admin.add_control_vhost(self._users, vhost)
        return vhost

    def return_vhost(self, vhost: str) -> None:
        """Empty a vhost that `take_vhost` has returned, for the next test."""
        self._admin.empty_vhost(vhost, keep=_KEPT)
        self._free.append(vhost)
