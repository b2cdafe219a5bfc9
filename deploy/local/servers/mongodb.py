"""Start mongod as a replica set, usually of one member: transactions and change streams need a replica set.

From its first moment on, mongod requires a password. MongoDB's usual way to the first account is the *localhost
exception*: any user of this machine can connect and create the account, so another user could be faster. We switch this
exception off. Instead the launcher logs in as a member of the replica set (`__system`, with the set's key as password),
and creates the accounts. Key and passwords are new at each launch; accounts in existing data get the new passwords.
"""

import secrets
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

from deploy.local.children.processes import LaunchedProcess, LaunchedProcesses, await_ready
from deploy.local.choices.numbering import number_suffix
from deploy.local.files.secret_files import replace_secret
from deploy.local.servers.mongo_accounts import MongoAccount, choose_commands, mongo_url, new_accounts

# Long enough to replay the journal after a crash.
_START_TIMEOUT_S = 180.0
_ALREADY_INITIALIZED = 23
#: How soon the members of a set elect another primary: MongoDB's default is 10 s, and until then nothing is written.
_QUICK_ELECTIONS = {"electionTimeoutMillis": 5000, "heartbeatIntervalMillis": 1000}
#: The file in `home` that holds the replica set's key.
KEY = "key"

_Client = MongoClient[dict[str, Any]]


class MongoDB:
    """A mongod, usually the only member of its replica set. `start` returns when the accounts can write."""

    def __init__(
        self,
        children: LaunchedProcesses,
        mongod: Path,
        *,
        home: Path,
        data: Path,
        log: Path,
        port: int,
        auth: bool = True,
        number: int = 1,
        first: "MongoDB | None" = None,
    ) -> None:
        """`home` holds this launch's key, `data` the documents. If `auth` is False, every client has all rights.

        This is the member `number` of its replica set. All but the `first` member have the key and accounts of that.
        """
        self.name = f"mongod{number_suffix(number)}"
        self.port = port
        #: The set's other members; only its first member has them.
        self.peers: Sequence[MongoDB] = ()
        #: The accounts by name. Empty if every client has all rights.
        self.accounts: dict[str, MongoAccount] = first.accounts if first else new_accounts() if auth else {}
        self._children = children
        self._mongod = mongod
        self._home = home
        self._data = data
        self._log = log
        self._key: str = first._key if first else secrets.token_hex(64) if auth else ""
        self._child: LaunchedProcess | None = None

    @property
    def child(self) -> LaunchedProcess:
        """The running server."""
        if self._child is None:
            raise RuntimeError("mongod was not started")
        return self._child

    @property
    def own_ports(self) -> Mapping[str, int]:
        """The ports on which the server listens."""
        return {self.name: self.port}

    def url(self, account: str) -> str:
        """Return the address for `account` (`wms`, `mqs` or `admin`), with the password if MongoDB requires one."""
        return mongo_url(self.port, self.accounts.get(account), [peer.port for peer in self.peers])

    def start(self) -> "MongoDB":
        """Start mongod with the other members, on their data, if there are any, and wait until its accounts can write.

        Raises:
            LaunchError: a member did not start; the error names the log. Then no member runs.
        """
        members = [self, *self.peers]
        try:
            for member in members:
                member.write_configuration()
                member.relaunch()
            await_ready(self.child, self._is_initiated, timeout_s=_START_TIMEOUT_S)
            for member in members:
                await_ready(member.child, member.is_ready, timeout_s=_START_TIMEOUT_S)
            await_ready(self.child, self._knows_accounts, timeout_s=_START_TIMEOUT_S)
        except BaseException:
            for member in members:
                member.kill()
            raise
        return self

    def relaunch(self) -> LaunchedProcess:
        """Start mongod, on its port and data, and return its process. Return before it is ready."""
        self._child = self.launch_server()
        return self._child

    def is_ready(self) -> bool:
        """Return whether mongod accepts writes, or has all documents of the member that does."""
        with self._connect_client() as client:
            try:
                told = client.admin.command("hello")
                return bool(told.get("isWritablePrimary") or told.get("secondary"))
            except PyMongoError:
                return False

    def stop(self) -> None:
        """Ask mongod to write its last checkpoint and end, and wait for its end."""
        if self._child is not None:
            self._child.stop(signal.SIGTERM)

    def kill(self) -> None:
        """End mongod as a crash would."""
        if self._child is not None:
            self._child.kill()

    def write_configuration(self) -> None:
        """Write the server's key file."""
        if self.accounts:
            replace_secret(self._home / KEY, self._key.encode())

    def launch_server(self) -> LaunchedProcess:
        """Start mongod's process, and return it."""
        command: list[str | Path] = [self._mongod, "--dbpath", self._data, *self.build_arguments(self._home / KEY)]
        environment = {"LC_ALL": "C", "HOME": str(self._home)}
        return self._children.launch(self.name, command, log=self._log, environment=environment, short_time_slices=True)

    def build_arguments(self, key: Path) -> list[str]:
        """Return mongod's arguments without the data directory. `key` is the path at which mongod finds its key."""
        return [
            *("--port", str(self.port), "--bind_ip", "127.0.0.1", "--nounixsocket"),
            *("--replSet", "rs0", "--oplogSize", "64", "--wiredTigerCacheSizeGB", "0.25"),
            # Otherwise it writes 3 journal files of 100 MB each before its first answer.
            *("--wiredTigerEngineConfigString", "log=(file_max=16MB,prealloc=false)"),
            *("--noscripting", "--setParameter", "diagnosticDataCollectionEnabled=false"),
            # The transaction of a killed process locks its documents for this time; the default is a minute, in which
            # no other process can change them. Our transactions take milliseconds.
            *("--setParameter", "transactionLifetimeLimitSeconds=4"),
            # EWMS reads no history. With the default of five minutes, dropped collections keep their files open.
            *("--setParameter", "minSnapshotHistoryWindowInSeconds=0"),
            *(_password_arguments(key) if self.accounts else ()),
        ]

    def add_account(self, account: MongoAccount) -> str:
        """Create `account` on the server, and return the database's address for it, with the password if one is
        required.
        """
        self._run_commands([account.build_definition("createUser")])
        return mongo_url(self.port, account, [peer.port for peer in self.peers])

    def remove_account(self, account: MongoAccount) -> None:
        """Delete `account`."""
        self._run_commands([{"dropUser": account.name}])

    def _run_commands(self, commands: Sequence[dict[str, Any]]) -> None:
        with self._connect_client(to_set=True) as client:
            for command in commands:
                client.admin.command(command)

    def _connect_client(self, *, to_set: bool = False) -> _Client:
        """Return a client of this server. If `to_set` and the set has other members, return a client of the set, which
        finds the member that accepts writes.
        """
        # A client from before the initiation keeps treating the server as stand-alone, so each check makes a new one.
        place: dict[str, Any] = {"directConnection": True, "serverSelectionTimeoutMS": 250}
        if to_set and self.peers:
            place = {"replicaSet": "rs0", "serverSelectionTimeoutMS": 2000}
        if self.accounts:
            place |= {"username": "__system", "password": self._key}
            place |= {"authSource": "local", "authMechanism": "SCRAM-SHA-256"}
        return MongoClient("127.0.0.1", self.port, **place)

    def _is_initiated(self) -> bool:
        ports = [self.port, *(peer.port for peer in self.peers)]
        members = [{"_id": place, "host": f"127.0.0.1:{port}"} for place, port in enumerate(ports)]
        wanted = {"_id": "rs0", "members": members, **({"settings": _QUICK_ELECTIONS} if self.peers else {})}
        with self._connect_client() as client:
            try:
                client.admin.command("replSetInitiate", wanted)
            except OperationFailure as error:
                return error.code == _ALREADY_INITIALIZED and _knows_its_ports(client, members)
            except PyMongoError:
                return False
        return True

    def _knows_accounts(self) -> bool:
        if not self.accounts:
            return True
        try:
            with self._connect_client(to_set=True) as client:
                known = [user["user"] for user in client.admin.command("usersInfo", 1)["users"]]
            self._run_commands(choose_commands(self.accounts.values(), known))
        except PyMongoError:
            return False
        return True


def _password_arguments(key: Path) -> list[str]:
    """Return the arguments that make mongod require a password."""
    return [
        *("--auth", "--keyFile", str(key), "--setParameter", "enableLocalhostAuthBypass=false"),
        *("--setParameter", "authenticationMechanisms=SCRAM-SHA-256"),
        # Many hash rounds protect passwords that people choose. Ours are random, and many rounds delay connections.
        *("--setParameter", "scramSHA256IterationCount=5000"),
    ]


def _knows_its_ports(client: _Client, members: Sequence[Mapping[str, object]]) -> bool:
    """Set the ports in the replica set of an earlier start to today's ports. Return False if the server does not
    answer.
    """
    try:
        kept = client.admin.command("replSetGetConfig")["config"]
        if [one["host"] for one in kept["members"]] != [member["host"] for member in members]:
            # Force the change: with its old addresses the set has no member here, so it has no primary to ask. The
            # other members learn of it from this one.
            changed = [{**one, **member} for one, member in zip(kept["members"], members, strict=True)]
            moved = {**kept, "version": kept["version"] + 1, "members": changed}
            client.admin.command("replSetReconfig", moved, force=True)
    except PyMongoError:
        return False
    return True
