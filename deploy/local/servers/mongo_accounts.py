"""MongoDB's accounts: each service may read and write its own database, and nothing else."""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from schemas.services import SERVICES

#: Who may do everything: the launcher and its scripts, never a process of EWMS.
ADMIN = "admin"


def list_databases() -> dict[str, str]:
    """Return the database of each service that keeps its state in one."""
    return {spec.name: spec.database for spec in SERVICES.values() if spec.database is not None}


@dataclass(frozen=True, slots=True)
class MongoAccount:
    """An account; `database` None may do everything."""

    name: str
    password: str
    database: str | None

    @property
    def roles(self) -> list[dict[str, str]]:
        """What the account may do, as MongoDB takes it.

        `readWrite` covers documents, collections, indexes and transactions of one database. It lets nobody change
        accounts, the server, or what is in another database.
        """
        if self.database is None:
            return [{"role": "root", "db": "admin"}]
        return [{"role": "readWrite", "db": self.database}]

    def definition(self, command: str) -> dict[str, Any]:
        """Return the account as an argument of `command`: `createUser` or `updateUser`."""
        return {command: self.name, "pwd": self.password, "roles": self.roles, "mechanisms": ["SCRAM-SHA-256"]}


def new_account(name: str, database: str | None) -> MongoAccount:
    """Return an account with a new password, which needs no escaping in a URL."""
    return MongoAccount(name, secrets.token_urlsafe(24), database)


def new_accounts() -> dict[str, MongoAccount]:
    """Return the accounts of a launch by name: the services' and the launcher's own."""
    wanted: dict[str, str | None] = {**list_databases(), ADMIN: None}
    return {name: new_account(name, database) for name, database in wanted.items()}


def choose_commands(accounts: Iterable[MongoAccount], known: Iterable[str]) -> list[dict[str, Any]]:
    """Return the commands that create or update `accounts` on a server that already has those named `known`."""
    there = frozenset(known)
    return [account.definition("updateUser" if account.name in there else "createUser") for account in accounts]


def mongo_url(port: int, account: MongoAccount | None) -> str:
    """Return the address of the replica set at `port` for `account`; `None` brings no password."""
    if account is None:
        return f"mongodb://127.0.0.1:{port}/?replicaSet=rs0"
    login = f"{account.name}:{account.password}"
    return f"mongodb://{login}@127.0.0.1:{port}/?replicaSet=rs0&authSource=admin&authMechanism=SCRAM-SHA-256"
