"""A broker and a database with the files of `deploy/`, which let in only clients with TLS.

Their paths, ports and hosts are replaced by those of the test. The broker is one node, so it looks for no others.
"""

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pymongo import MongoClient
from pymongo.errors import PyMongoError

from deploy.admin.certificates import make_certificates
from deploy.local.children.processes import LaunchedProcesses, await_ready
from deploy.local.files.secret_files import write_secret
from deploy.local.servers.rabbitmq import RabbitMQ

DEPLOY = Path(__file__).parents[3] / "deploy"
HERE = ["localhost", "127.0.0.1"]
_PATIENCE_S = 180.0
_ACCOUNTS = ("wms", "mqs")


@dataclass(frozen=True)
class SiteCertificates:
    """The certificates of a site, as its operator makes them, and an authority that signed none of them."""

    directory: Path

    @classmethod
    def make(cls, directory: Path) -> "SiteCertificates":
        """Make them below `directory`. The server `elsewhere` has a certificate for another host."""
        servers = {"broker": HERE, "database": HERE, "gateway": HERE, "elsewhere": ["elsewhere.example.org"]}
        make_certificates(directory / "tls", servers)
        make_certificates(directory / "other", {})
        return cls(directory)

    @property
    def ca(self) -> Path:
        """The authority that signed all of them."""
        return self.directory / "tls/ca.crt"

    @property
    def other_ca(self) -> Path:
        """The authority that signed none."""
        return self.directory / "other/ca.crt"

    def find(self, name: str) -> Path:
        """Return the path of a file of the servers."""
        return self.directory / "tls" / name


class TlsBroker(RabbitMQ):
    """A broker with `deploy/rabbitmq/rabbitmq.conf`."""

    certificates: SiteCertificates

    def write_settings(self, seen_at: Path, *, public_key: Path) -> None:
        """Write the settings, with the paths and ports of this broker."""
        super().write_settings(seen_at, public_key=public_key)
        lines = (DEPLOY / "rabbitmq/rabbitmq.conf").read_text().splitlines()
        # The plugin of metrics is not among the launcher's; there are no other nodes; MQS is not asked for keys.
        kept = [one for one in lines if not re.match(r"prometheus|cluster_formation|auth_oauth2\.(jwks|https)", one)]
        changes = {
            "/etc/ewms/tls": str(self.certificates.find("")).rstrip("/"),
            "/etc/rabbitmq/definitions.json": str(seen_at / "definitions.json"),
            "listeners.ssl.default = 5671": f"listeners.ssl.1 = 127.0.0.1:{self.ports['amqp']}",
            "management.ssl.port = 15671": f"management.ssl.port = {self.ports['management']}",
        }
        text = "\n".join(kept)
        for before, after in changes.items():
            assert before in text, before
            text = text.replace(before, after)
        kid = self.key_files.kid
        text += f"\nmanagement.ssl.ip = 127.0.0.1\nauth_oauth2.default_key = {kid}\n"
        text += f"auth_oauth2.signing_keys.{kid} = {public_key}\n"
        (self._home / "rabbitmq.conf").write_text(text)

    def amqp_url(self, user: str, vhost: str) -> str:
        """Return the address of `vhost` with TLS."""
        return super().amqp_url(user, vhost).replace("amqp://", "amqps://")

    def node_url(self, user: str, vhost: str) -> str:
        """Return the address with which the launcher looks whether users can log in."""
        return f"{super().node_url(user, vhost).replace('amqp://', 'amqps://')}?cafile={self.certificates.ca}"

    @property
    def api_url(self) -> str:
        """The address of the management API with TLS."""
        return super().api_url.replace("http://", "https://")


@dataclass
class TlsDatabase:
    """A mongod with `deploy/mongodb/mongod.conf`, the only member of its set, and the accounts `wms` and `mqs`."""

    children: LaunchedProcesses
    mongod: Path
    home: Path
    port: int
    certificates: SiteCertificates

    def start(self) -> tuple[str, str]:
        """Start it, and return the addresses for WMS and for MQS."""
        write_secret(self.home / "mongo-keyfile", secrets.token_hex(64).encode())
        (self.home / "data").mkdir(mode=0o700)
        changes = {
            "/etc/ewms/tls": str(self.certificates.find("")).rstrip("/"),
            "/etc/ewms/mongo-keyfile": str(self.home / "mongo-keyfile"),
            "/var/lib/mongodb": str(self.home / "data"),
            "/var/log/mongodb/mongod.log": str(self.home / "mongod.log"),
            "port: 27017": f"port: {self.port}",
            "bindIpAll: true": "bindIp: 127.0.0.1",
        }
        text = (DEPLOY / "mongodb/mongod.conf").read_text()
        for before, after in changes.items():
            assert before in text, before
            text = text.replace(before, after)
        (self.home / "mongod.conf").write_text(text)
        environment = {"LC_ALL": "C", "HOME": str(self.home)}
        command: list[str | Path] = [
            *(self.mongod, "--config", self.home / "mongod.conf", "--nounixsocket"),
            *("--oplogSize", "64", "--wiredTigerCacheSizeGB", "0.25"),
            *("--wiredTigerEngineConfigString", "log=(file_max=16MB,prealloc=false)"),
        ]
        child = self.children.launch("mongod", command, log=self.home / "out.log", environment=environment)
        password = secrets.token_hex(16)
        for step in (self._is_initiated, self._has_admin, self._has_accounts):
            await_ready(child, lambda step=step: step(password), timeout_s=_PATIENCE_S)  # type: ignore[misc]
        wms, mqs = (
            f"mongodb://{name}:{password}@127.0.0.1:{self.port}/{name.upper()}_DB?replicaSet=ewms&tls=true"
            for name in _ACCOUNTS
        )
        return wms, mqs

    def _is_initiated(self, _: str) -> bool:
        member: Mapping[str, Any] = {"_id": 0, "host": f"127.0.0.1:{self.port}"}
        return self._run("admin", "replSetInitiate", {"_id": "ewms", "members": [member]}, done_before=23)

    def _has_admin(self, password: str) -> bool:
        # From the machine itself the first account may be made without another one.
        return self._run("admin", "createUser", "admin", done_before=13, pwd=password, roles=["root"])

    def _has_accounts(self, password: str) -> bool:
        admin = {"username": "admin", "password": password}
        rights: Mapping[str, Any] = {"pwd": password, "roles": ["readWrite"]}
        return all(
            self._run(f"{name.upper()}_DB", "createUser", name, login=admin, done_before=51003, **rights)
            for name in _ACCOUNTS
        )

    def _run(
        self,
        database: str,
        command: str,
        value: Any,
        *,
        done_before: int,
        login: Mapping[str, str] | None = None,
        **arguments: Any,
    ) -> bool:
        """Run a command. Return whether it is done now, or was before: then it fails with the code `done_before`."""
        with self._connect(login or {}) as client:
            try:
                client[database].command(command, value, **arguments)
            except PyMongoError as error:
                return getattr(error, "code", None) == done_before
        return True

    def _connect(self, login: Mapping[str, str]) -> MongoClient[dict[str, Any]]:
        return MongoClient(
            "127.0.0.1",
            self.port,
            directConnection=True,
            serverSelectionTimeoutMS=500,
            tls=True,
            tlsCAFile=str(self.certificates.ca),
            **login,
        )
