"""Start mongod as a replica set of one, which is what transactions and change streams need."""

import signal
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

from deploy.local.processes import Child, Children, await_ready

# Long enough for a journal that a crash has left to be played back.
_START_TIMEOUT_S = 180.0
_ALREADY_INITIALIZED = 23


class MongoDB:
    """A running mongod."""

    name = "mongod"

    def __init__(self, child: Child, port: int, launched: Callable[[], Child] | None = None) -> None:
        self.child = child
        self.port = port
        self._launched = launched

    @property
    def url(self) -> str:
        """Where clients find it."""
        return f"{_address(self.port)}?replicaSet=rs0"

    @property
    def ports(self) -> Mapping[str, int]:
        """The ports that it listens on."""
        return {"mongodb": self.port}

    def relaunch(self) -> Child:
        """Start mongod again on its port and data, after it has ended, and return without waiting for it."""
        if self._launched is None:
            raise RuntimeError("this MongoDB cannot be started again")
        self.child = self._launched()
        return self.child

    def is_ready(self) -> bool:
        """Say whether it takes writes."""
        return _is_primary(_address(self.port))

    def stop(self) -> None:
        """Let mongod write its last checkpoint and end."""
        self.child.stop(signal.SIGTERM)


def start_mongodb(children: Children, mongod: Path, home: Path, log: Path, *, port: int) -> MongoDB:
    """Start `mongod` with its data in the directory `home`, empty or left by another, and wait until it takes writes.

    Raises:
        LaunchError: it did not; the log is named.
    """
    command: list[str | Path] = [mongod, "--dbpath", home, *arguments(port)]
    launched = partial(children.launch, "mongod", command, log=log, environment={"LC_ALL": "C", "HOME": str(home)})
    return ready_mongodb(launched(), port, launched)


def arguments(port: int) -> list[str]:
    """Return mongod's arguments, its data's place apart."""
    return [
        *("--port", str(port), "--bind_ip", "127.0.0.1", "--nounixsocket"),
        *("--replSet", "rs0", "--oplogSize", "64", "--wiredTigerCacheSizeGB", "0.25"),
        # 3 preallocated journal files of 100 MB each would be written before the first answer.
        *("--wiredTigerEngineConfigString", "log=(file_max=16MB,prealloc=false)"),
        *("--noscripting", "--setParameter", "diagnosticDataCollectionEnabled=false"),
        # The transaction of a process that was killed keeps its documents locked until this time is over; the
        # default is a minute, in which nobody else could decide about them. Ours take milliseconds.
        *("--setParameter", "transactionLifetimeLimitSeconds=4"),
        # Nobody reads the past; kept for the default of five minutes, dropped collections keep their files open.
        *("--setParameter", "minSnapshotHistoryWindowInSeconds=0"),
    ]


def ready_mongodb(child: Child, port: int, launched: Callable[[], Child] | None = None) -> MongoDB:
    """Make the starting mongod at `port` a replica set and wait until it takes writes; `launched` starts it again.

    Raises:
        LaunchError: it did not; the log is named.
    """
    await_ready(child, lambda: _initiated(_address(port), port), timeout_s=_START_TIMEOUT_S)
    await_ready(child, lambda: _is_primary(_address(port)), timeout_s=_START_TIMEOUT_S)
    return MongoDB(child, port, launched)


def _address(port: int) -> str:
    return f"mongodb://127.0.0.1:{port}/"


def _initiated(address: str, port: int) -> bool:
    member = {"_id": 0, "host": f"127.0.0.1:{port}"}
    with MongoClient[dict[str, Any]](address, directConnection=True, serverSelectionTimeoutMS=250) as client:
        try:
            client.admin.command("replSetInitiate", {"_id": "rs0", "members": [member]})
        except OperationFailure as error:
            return error.code == _ALREADY_INITIALIZED and _knows_its_port(client, member)
        except PyMongoError:
            return False
    return True


def _knows_its_port(client: MongoClient[dict[str, Any]], member: Mapping[str, object]) -> bool:
    """See to it that the replica set of an earlier start is at today's port, which its data hold."""
    try:
        kept = client.admin.command("replSetGetConfig")["config"]
        if [one["host"] for one in kept["members"]] != [member["host"]]:
            # Forced: with its old address the set has no member here, and so no primary that could be asked.
            moved = {**kept, "version": kept["version"] + 1, "members": [{**kept["members"][0], **member}]}
            client.admin.command("replSetReconfig", moved, force=True)
    except PyMongoError:
        return False
    return True


def _is_primary(address: str) -> bool:
    # A client from before the initiation goes on believing in a stand-alone server, so each look makes its own.
    with MongoClient[dict[str, object]](address, directConnection=True, serverSelectionTimeoutMS=250) as client:
        try:
            return bool(client.admin.command("hello").get("isWritablePrimary"))
        except PyMongoError:
            return False
