"""MongoDB's accounts: each service can read and write its own database, and nothing else."""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from schemas.services import SERVICES

#: The account with all rights, for the launcher and its scripts. No process of EWMS has it.
ADMIN = "admin"


def list_databases() -> dict[str, str]:
    """Return service -> database, for each service that stores its state in MongoDB."""
    return {spec.name: spec.database for spec in SERVICES.values() if spec.database is not None}


@dataclass(frozen=True, slots=True)
class MongoAccount:
    """An account. With `database` None it has all rights."""

    name: str
    password: str
    database: str | None

    @property
    def roles(self) -> list[dict[str, str]]:
        """The account's roles, in MongoDB's form.

        `readWrite` covers documents, collections, indexes and transactions of one database. It does not cover
        accounts, the server, or other databases.
        """
        if self.database is None:
            return [{"role": "root", "db": "admin"}]
        return [{"role": "readWrite", "db": self.database}]

    def definition(self, command: str) -> dict[str, Any]:
        """Return the argument of `command`, which is `createUser` or `updateUser`, for this account."""
        return {command: self.name, "pwd": self.password, "roles": self.roles, "mechanisms": ["SCRAM-SHA-256"]}


def new_account(name: str, database: str | None) -> MongoAccount:
    """Return an account with a new password. The password needs no escaping in a URL."""
    return MongoAccount(name, secrets.token_urlsafe(24), database)


def new_accounts() -> dict[str, MongoAccount]:
    """Return the accounts of a launch by name: the services' accounts and the launcher's."""
    wanted: dict[str, str | None] = {**list_databases(), ADMIN: None}
    return {name: new_account(name, database) for name, database in wanted.items()}


def choose_commands(accounts: Iterable[MongoAccount], known: Iterable[str]) -> list[dict[str, Any]]:
    """Return the commands that create `accounts` on a server, or update the accounts that it has (`known`)."""
    there = frozenset(known)
    return [account.definition("updateUser" if account.name in there else "createUser") for account in accounts]


def mongo_url(port: int, account: MongoAccount | None) -> str:
    """Return the address of the replica set at `port` for `account`; without a password if `account` is `None`."""
    if account is None:
        return f"mongodb://127.0.0.1:{port}/?replicaSet=rs0"
    login = f"{account.name}:{account.password}"
    return f"mongodb://{login}@127.0.0.1:{port}/?replicaSet=rs0&authSource=admin&authMechanism=SCRAM-SHA-256"
