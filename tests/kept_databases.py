"""Databases that one test after the other uses. A new database costs MongoDB a second of CPU for WMS's 112 indexes.

A database is empty when a test gets it, and has the collections and indexes of the tests before. Tests with collections
that are not those of WMS or MQS take a new database (`mongo_database` in tests/conftest.py).
"""

import secrets
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from pymongo import MongoClient
from pymongo.database import Database

from deploy.local.servers.mongo_accounts import ADMIN, MongoAccount, new_account
from deploy.local.servers.mongodb import MongoDB


@dataclass(frozen=True, slots=True)
class KeptDatabase:
    """A database with an account whose rights end with it."""

    account: MongoAccount
    #: The address of the replica set for this account.
    url: str

    @property
    def name(self) -> str:
        """The database's name, which its account shares."""
        return self.account.name


class KeptDatabases:
    """The databases of one mongod that no test uses at the moment, by the service whose collections they have."""

    def __init__(self, mongodb: MongoDB) -> None:
        self._mongodb = mongodb
        self._client = MongoClient[dict[str, Any]](mongodb.url(ADMIN))
        self._free: defaultdict[str, list[KeptDatabase]] = defaultdict(list)

    def take_database(self, service: str) -> KeptDatabase:
        """Return an empty database with the collections of `service`, or a new one. Without a `service` it is new."""
        free = self._free[service]
        while free:
            database = free.pop()
            # A process that a test left behind may have written after the test.
            if not _list_filled(self._client[database.name]):
                return database
        name = f"test-{secrets.token_hex(6)}"
        account = new_account(name, name)
        return KeptDatabase(account, self._mongodb.add_account(account))

    def return_database(self, service: str, database: KeptDatabase) -> None:
        """Empty a database that `take_database` has returned, for the next test. Without a `service`, drop it."""
        if not service:
            self._client.drop_database(database.name)
            self._mongodb.remove_account(database.account)
            return
        for name in _list_filled(self._client[database.name]):
            self._client[database.name][name].delete_many({})
        self._free[service].append(database)

    def close(self) -> None:
        """Close the connections. The databases go with their server."""
        self._client.close()


def _list_filled(database: Database[dict[str, Any]]) -> list[str]:
    """Return the names of the collections with documents, by one query for all of them."""
    first, *others = database.list_collection_names() or [""]
    if not first:
        return []
    queries = {name: [{"$limit": 1}, {"$project": {"_id": {"$literal": name}}}] for name in (first, *others)}
    unions = [{"$unionWith": {"coll": name, "pipeline": queries[name]}} for name in others]
    return [found["_id"] for found in database[first].aggregate([*queries[first], *unions])]
