"""Vhosts that one test after the other uses. A new one costs the broker 0.07 s of CPU, with WMS's inboxes 0.7 s.

A vhost has no messages and no connections when a test gets it. In a control vhost the inboxes of WMS, of MQS and of the
TMS of `ewms@localhost` may be there from a test before, with the queues for events that are set aside. No other queues
are there, and in a data vhost no exchanges either.
"""

import secrets
from collections.abc import Sequence

from deploy.local.choices.launch_options import SCHEDD
from deploy.local.servers.broker_admin import BrokerAdmin
from schemas.broker.services import Service
from schemas.broker.topology import dead_inbox, inbox_queue, parked_inbox, tms_service

_SERVICES = (Service.WMS.value, Service.MQS.value, tms_service(SCHEDD))
_KEPT = frozenset(name(service) for service in _SERVICES for name in (inbox_queue, dead_inbox, parked_inbox))
#: If a data vhost has more queues, a new vhost costs less than their deletion.
_MOST_DELETED = 10


class KeptVhosts:
    """The vhosts of one broker that no test uses at the moment: its control vhosts, or its data vhosts."""

    def __init__(self, admin: BrokerAdmin, users: Sequence[str], *, has_events: bool = False) -> None:
        """If `has_events`, they are data vhosts."""
        self._admin = admin
        self._users = users
        self._has_events = has_events
        self._free: list[str] = []

    def take_vhost(self) -> str:
        """Return an empty vhost of a test before, or a new one."""
        return self._free.pop() if self._free else self.add_vhost()

    def add_vhost(self) -> str:
        """Return a new vhost."""
        if self._has_events:
            vhost = f"data-{secrets.token_hex(6)}"
            self._admin.add_data_vhost(self._users, vhost)
        else:
            vhost = f"control-{secrets.token_hex(6)}"
            self._admin.add_control_vhost(self._users, vhost)
        return vhost

    def return_vhost(self, vhost: str) -> None:
        """Empty a vhost that `take_vhost` has returned, for the next test."""
        if self._has_events:
            if len(self._admin.list_queues(vhost)) > _MOST_DELETED:
                self._admin.remove_vhost(vhost)
                return
            self._admin.empty_vhost(vhost, keep=())
            self._admin.delete_exchanges(vhost)
        else:
            self._admin.empty_vhost(vhost, keep=_KEPT)
        self._free.append(vhost)
