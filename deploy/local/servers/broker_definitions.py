"""(core) RabbitMQ definitions: vhosts, internal users and their rights. Launches and tests use the same definitions."""

import base64
import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from schemas.broker import topology
from schemas.broker.services import list_service_users, spec_of
from schemas.events import list_fact_keys

#: The user who administrates the broker: the launcher has its password, no process of EWMS does.
ADMIN = "admin"

_EVERYTHING = {"configure": ".*", "write": ".*", "read": ".*"}


@dataclass(frozen=True, slots=True)
class BrokerUser:
    """An internal user of the broker. Pilots and people use tokens instead."""

    name: str
    password: str
    salt: bytes

    @property
    def password_hash(self) -> str:
        """The hash that RabbitMQ stores: in base64, a 4-byte salt, then SHA-256 of salt and password."""
        digest = hashlib.sha256(self.salt + self.password.encode()).digest()
        return base64.b64encode(self.salt + digest).decode()

    @property
    def tags(self) -> list[str]:
        """The user's roles in the management API."""
        return ["administrator"] if self.name == ADMIN else list(spec_of(self.name).management_tags)


def service_names(schedds: Iterable[str], pools: Iterable[str] = ()) -> list[str]:
    """Return the names of the broker's users for EWMS: the services, a TMS for each schedd, the workers of each
    pool.
    """
    return list_service_users([*map(topology.tms_service, schedds), *map(topology.pool_service, pools)])


def broker_definitions(users: Sequence[BrokerUser], *, control_vhost: str, data_vhost: str) -> dict[str, Any]:
    """Return the definitions of a whole broker: `users`, a control vhost and a data vhost, and the users' rights in
    both.
    """
    pair = vhost_definitions([user.name for user in users], control_vhost=control_vhost, data_vhost=data_vhost)
    return {
        "users": [
            {
                "name": user.name,
                "password_hash": user.password_hash,
                "hashing_algorithm": "rabbit_password_hashing_sha256",
                "tags": user.tags,
            }
            for user in users
        ],
        **pair,
    }


def vhost_definitions(names: Sequence[str], *, control_vhost: str, data_vhost: str) -> dict[str, list[Any]]:
    """Return a control vhost and a data vhost with the rights of the users `names`, in the broker's import format."""
    control, data = control_vhost_definitions(names, control_vhost), data_vhost_definitions(names, data_vhost)
    return {kind: [*control.get(kind, ()), *data.get(kind, ())] for kind in control}


def data_vhost_definitions(names: Sequence[str], vhost: str) -> dict[str, list[Any]]:
    """Return a data vhost with the rights of the users `names`, in the broker's import format."""
    owners = [name for name in names if name == ADMIN or spec_of(name).owns_data_vhost]
    return {
        "vhosts": [{"name": vhost}],
        "permissions": [{"user": name, "vhost": vhost, **_EVERYTHING} for name in owners],
    }


def control_vhost_definitions(names: Sequence[str], vhost: str) -> dict[str, list[Any]]:
    """Return a control vhost with the rights of the users `names`, in the broker's import format.

    The definitions also declare the shared exchanges: a TMS may start first, and has no right to declare them.
    """
    services = [name for name in names if name != ADMIN]
    return {
        "vhosts": [{"name": vhost}],
        "permissions": [
            {"user": name, "vhost": vhost, **(_EVERYTHING if name == ADMIN else _control_rights(name))}
            for name in names
        ],
        "topic_permissions": [
            {
                "user": name,
                "vhost": vhost,
                "exchange": topology.CONTROL_EXCHANGE,
                "write": topology.control_rights(name).topic_write,
                # The keys by which it may bind its queue. With another service's key it would get copies of that
                # service's events.
                "read": f"^{re.escape(topology.inbox_pattern(name))}$",
            }
            for name in services
        ]
        + [
            {
                "user": name,
                "vhost": vhost,
                "exchange": topology.FACTS_EXCHANGE,
                # Only its owner may publish a fact; any service may bind a queue to it.
                "write": f"^({'|'.join(map(re.escape, list_fact_keys(spec_of(name).name)))})$",
                "read": r"^fact\.",
            }
            for name in services
        ],
        "exchanges": [
            {
                "name": name,
                "vhost": vhost,
                "type": kind,
                "durable": True,
                "auto_delete": False,
                "internal": False,
                "arguments": {},
            }
            for name, kind in (
                (topology.CONTROL_EXCHANGE, "topic"),
                (topology.FACTS_EXCHANGE, "topic"),
                (topology.REQUESTS_EXCHANGE, "direct"),
            )
        ],
    }


def _control_rights(name: str) -> dict[str, str]:
    rights = topology.control_rights(name)
    return {"configure": rights.configure, "write": rights.write, "read": rights.read}
