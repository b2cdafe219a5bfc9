"""A broker's addresses, its users and the key that signs its tokens, wherever it runs."""

from collections.abc import Mapping
from urllib.parse import quote

from deploy.local.secret_files import MadeKeyFiles
from deploy.local.servers.broker_definitions import BrokerUser
from schemas import topology
from schemas.services import Service

#: What a broker listens on, by name; at `jwks` it is MQS that listens, and the broker that asks.
PORTS = ("amqp", "management", "jwks")


class BrokerAccess:
    """Where each of EWMS's processes finds the broker, and with which password.

    `jwks_url` is where the broker looks for keys that `key_files` does not hold: MQS serves it there, and it is
    asked only when a token names an unknown key, so that the broker can start first.
    """

    def __init__(self, *, ports: Mapping[str, int], users: Mapping[str, BrokerUser], key_files: MadeKeyFiles) -> None:
        self.ports = ports
        self.users = users
        self.key_files = key_files

    @property
    def address(self) -> str:
        """What queue profiles print, the user name left to the token's bearer: `user@host:port/vhost`."""
        return f"user@127.0.0.1:{self.ports['amqp']}/{topology.DATA_VHOST}"

    @property
    def jwks_port(self) -> int:
        """The port on which MQS is to serve its keys."""
        return self.ports["jwks"]

    @property
    def jwks_url(self) -> str:
        """Where the broker asks for keys that it does not know."""
        return f"http://127.0.0.1:{self.jwks_port}/mqbroker-issuer/.well-known/jwks.json"

    @property
    def data_url(self) -> str:
        """AMQP address of the data vhost for MQS."""
        return self.amqp_url(Service.MQS, topology.DATA_VHOST)

    @property
    def api_url(self) -> str:
        """The management API for MQS, credentials included."""
        return self.management_url(Service.MQS)

    def control_url(self, user: str) -> str:
        """Return the AMQP address of the control vhost for `user`: `wms`, `mqs`, `tms.<encoded schedd>`."""
        return self.amqp_url(user, topology.CONTROL_VHOST)

    def amqp_url(self, user: str, vhost: str) -> str:
        """Return the AMQP address of any vhost for any internal user."""
        return f"amqp://{self._credentials(user)}@127.0.0.1:{self.ports['amqp']}/{quote(vhost, safe='')}"

    def management_url(self, user: str) -> str:
        """Return the address of the management API for any internal user."""
        return f"http://{self._credentials(user)}@127.0.0.1:{self.ports['management']}"

    def _credentials(self, user: str) -> str:
        return f"{quote(user, safe='')}:{self.users[user].password}"
