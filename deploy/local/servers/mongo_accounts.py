"""MongoDB's accounts: each service can read and write its own database, and nothing else."""

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from deploy.local.choices.numbering import join_hosts
from schemas.broker.services import SERVICES

#: The account with all rights, for the launcher and its scripts. No process of EWMS has it.
ADMIN = "admin"


def list_databases() -> dict[str, str]:
    """Return service -> database for each service that has a database."""
    return {spec.name: spec.database for spec in SERVICES.values() if spec.database is not None}


@dataclass(frozen=True, slots=True)
class MongoAccount:
    """An account. If `database` is None, the account has all rights."""

    name: str
    password: str
    database: str | None

    @property
    def roles(self) -> list[dict[str, str]]:
        """The account's roles, in MongoDB's form.

        `readWrite` includes the documents, collections, indexes and transactions of one database. It does not include
        accounts, the server, or other databases.
        """
        if self.database is None:
            return [{"role": "root", "db": "admin"}]
        return [{"role": "readWrite", "db": self.database}]

    def build_definition(self, command: str) -> dict[str, Any]:
        """Return `command`, which is `createUser` or `updateUser`, with its arguments for this account."""
        return {command: self.name, "pwd": self.password, "roles": self.roles, "mechanisms": ["SCRAM-SHA-256"]}


def new_account(name: str, database: str | None) -> MongoAccount:
    """Return an account with a new random password, which needs no escaping in a URL."""
    return MongoAccount(name, secrets.token_urlsafe(24), database)


def new_accounts() -> dict[str, MongoAccount]:
    """Return new accounts for a launch, by name: one for each service, and the launcher's."""
    wanted: dict[str, str | None] = {**list_databases(), ADMIN: None}
    return {name: new_account(name, database) for name, database in wanted.items()}


def choose_commands(accounts: Iterable[MongoAccount], known: Iterable[str]) -> list[dict[str, Any]]:
    """Return a command for each of `accounts`: update it if its name is in `known`, the server's accounts; else create
    it.
    """
    there = frozenset(known)
    return [account.build_definition("updateUser" if account.name in there else "createUser") for account in accounts]


def mongo_url(port: int, account: MongoAccount | None, others: Sequence[int] = ()) -> str:
    """Return the address of the replica set with members at `port` and `others` for `account`. If `account` is None,
    the address has no password.
    """
    hosts = join_hosts([port, *others])
    if account is None:
        return f"mongodb://{hosts}/?replicaSet=rs0"
    login = f"{account.name}:{account.password}"
    return f"mongodb://{login}@{hosts}/?replicaSet=rs0&authSource=admin&authMechanism=SCRAM-SHA-256"
