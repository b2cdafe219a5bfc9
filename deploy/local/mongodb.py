"""Start mongod as a replica set of one, which is what transactions and change streams need."""

import signal
from dataclasses import dataclass
from pathlib import Path

from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

from deploy.local.ports import free_ports
from deploy.local.processes import Child, Children, await_ready

_START_TIMEOUT_S = 40.0


@dataclass(frozen=True, slots=True)
class MongoDB:
    """A running mongod."""

    url: str
    child: Child

    def stop(self) -> None:
        """Let mongod write its last checkpoint and end."""
        self.child.stop(signal.SIGTERM)


def start_mongodb(children: Children, mongod: Path, home: Path, log: Path) -> MongoDB:
    """Start `mongod` with its data in the empty directory `home` and wait until it takes writes.

    Raises:
        LaunchError: it did not; the log is named.
    """
    (port,) = free_ports(1)
    command: list[str | Path] = [mongod, "--dbpath", home, *arguments(port)]
    child = children.launch("mongod", command, log=log, environment={"LC_ALL": "C", "HOME": str(home)})
    return ready_mongodb(child, port)


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


def ready_mongodb(child: Child, port: int) -> MongoDB:
    """Make the starting mongod at `port` a replica set and wait until it takes writes.

    Raises:
        LaunchError: it did not; the log is named.
    """
    address = f"mongodb://127.0.0.1:{port}/"
    await_ready(child, lambda: _initiated(address, port), timeout_s=_START_TIMEOUT_S)
    await_ready(child, lambda: _is_primary(address), timeout_s=_START_TIMEOUT_S)
    return MongoDB(url=f"{address}?replicaSet=rs0", child=child)


def _initiated(address: str, port: int) -> bool:
    members = {"_id": "rs0", "members": [{"_id": 0, "host": f"127.0.0.1:{port}"}]}
    with MongoClient[dict[str, object]](address, directConnection=True, serverSelectionTimeoutMS=250) as client:
        try:
            client.admin.command("replSetInitiate", members)
        except OperationFailure as error:
            return error.code == 23  # AlreadyInitialized
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
