"""A broker's addresses, its users, and the key that signs its tokens."""

import json
import secrets
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

from deploy.local.choices.numbering import join_hosts
from deploy.local.files.secret_files import MadeKeyFiles, load_or_make, replace_secret
from deploy.local.servers.broker_definitions import ADMIN, BrokerUser, service_names
from schemas.broker import topology
from schemas.broker.services import Service

#: The names of a broker's ports. At `jwks` MQS listens, and the broker sends requests.
PORTS = ("amqp", "management", "jwks")


class BrokerAccess:
    """The addresses and passwords with which EWMS's processes reach the broker.

    At `jwks_url` MQS serves the keys that are not in `key_files`. The broker reads `jwks_url` only when a token names
    an unknown key, so the broker can start before MQS.
    """

    def __init__(
        self,
        *,
        ports: Mapping[str, int],
        users: Mapping[str, BrokerUser],
        key_files: MadeKeyFiles,
        others: Sequence[Mapping[str, int]] = (),
    ) -> None:
        """`ports` are those of this node, `others` those of the broker's other nodes."""
        self.ports = ports
        self._others = others
        self.users = users
        self.key_files = key_files

    @property
    def address(self) -> str:
        """The address in queue profiles, `user@host:port/vhost`, with the host of each node. Clients may replace the
        user name: only the token counts.
        """
        return f"user@{self._list_hosts('amqp')}/{topology.DATA_VHOST}"

    @property
    def jwks_port(self) -> int:
        """The port on which MQS serves its keys."""
        return self.ports["jwks"]

    @property
    def jwks_url(self) -> str:
        """The address where the broker fetches a key that it does not know."""
        return f"http://127.0.0.1:{self.jwks_port}/mqbroker-issuer/.well-known/jwks.json"

    @property
    def data_url(self) -> str:
        """The AMQP address of the data vhost for MQS."""
        return self.amqp_url(Service.MQS, topology.DATA_VHOST)

    @property
    def api_url(self) -> str:
        """The address of the management API for MQS, with MQS's password."""
        return f"http://{self._format_credentials(Service.MQS)}@{self._list_hosts('management')}"

    def control_url(self, user: str) -> str:
        """Return the AMQP address of the control vhost for `user`, which is `wms`, `mqs` or `tms.<encoded schedd>`."""
        return self.amqp_url(user, topology.CONTROL_VHOST)

    def amqp_url(self, user: str, vhost: str) -> str:
        """Return the AMQP address of `vhost` at all nodes for the internal user `user`, with the password."""
        return f"amqp://{self._format_credentials(user)}@{self._list_hosts('amqp')}/{quote(vhost, safe='')}"

    def node_url(self, user: str, vhost: str) -> str:
        """Return the AMQP address of `vhost` at this node for the internal user `user`, with the password."""
        return f"amqp://{self._format_credentials(user)}@127.0.0.1:{self.ports['amqp']}/{quote(vhost, safe='')}"

    def management_url(self, user: str) -> str:
        """Return the address of this node's management API for the internal user `user`, with the password."""
        return f"http://{self._format_credentials(user)}@127.0.0.1:{self.ports['management']}"

    def _list_hosts(self, name: str) -> str:
        return join_hosts([ports[name] for ports in (self.ports, *self._others)])

    def _format_credentials(self, user: str) -> str:
        return f"{quote(user, safe='')}:{self.users[user].password}"


def kept_users(file: Path, schedds: Iterable[str], pools: Iterable[str]) -> dict[str, BrokerUser]:
    """Return the broker's users by name, with the passwords from `file`. Give a new user a password, and save it in
    `file`.
    """
    kept: dict[str, list[str]] = load_or_make(file, dict)
    names = (ADMIN, *service_names(schedds, pools))
    wanted = {name: kept.get(name) or [secrets.token_urlsafe(18), secrets.token_hex(4)] for name in names}
    if wanted != kept:
        replace_secret(file, json.dumps({**kept, **wanted}, indent=1).encode())
    return {name: BrokerUser(name, password, bytes.fromhex(salt)) for name, (password, salt) in wanted.items()}
