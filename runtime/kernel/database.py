"""Read and write documents in MongoDB, in a transaction or outside of one, with a client of fixed guarantees.

Only this module builds the driver's client. It converts the driver's errors to our error families.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC
from typing import Any, Protocol, TypeAlias

from pymongo import AsyncMongoClient, ReturnDocument, UpdateOne
from pymongo.asynchronous.change_stream import AsyncChangeStream
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import DuplicateKeyError

from runtime.hosts.certificates import find_mongo_options
from runtime.kernel.decision import Document
from runtime.kernel.mongo import Index, index_model, translate_errors
from schemas.errors import Conflict

#: The driver's own types. `runtime.kernel.store` runs transactions with them.
Client: TypeAlias = "AsyncMongoClient[Document]"
Session: TypeAlias = AsyncClientSession

#: How long the database may take to build an index. With many old documents that takes minutes.
_INDEX_PATIENCE_S = 600.0
#: How long the server waits for a change before it answers that there is none.
_AWAIT_CHANGE_MS = 1000


def make_client(url: str, *, appname: str) -> Client:
    """Return a client. A write returns when it is on the disks of a majority of the database's members.

    Raises:
        BadAuthorities: the file of authorities cannot be used.
    """
    return AsyncMongoClient(
        url,
        appname=appname,
        tz_aware=True,
        tzinfo=UTC,
        w="majority",
        journal=True,
        readConcernLevel="majority",
        uuidRepresentation="standard",
        serverSelectionTimeoutMS=3000,
        connectTimeoutMS=3000,
        **find_mongo_options(url),
    )


class Transaction:
    """The reads within a transaction: they show the documents as the transaction sees them."""

    def __init__(self, database: "Database", session: Session) -> None:
        self._documents = database
        self.session = session

    async def find_one(
        self, collection: str, query: Mapping[str, Any], projection: Mapping[str, Any] | None = None
    ) -> Document | None:
        """Return a document that matches `query`, or None."""
        return await self._documents.find_one(collection, query, tx=self, projection=projection)

    async def find(
        self,
        collection: str,
        query: Mapping[str, Any],
        sort: Sequence[tuple[str, int]] | None = None,
        limit: int = 0,
        projection: Mapping[str, Any] | None = None,
    ) -> list[Document]:
        """Return the documents that match `query`. A `limit` of 0 means all of them."""
        return await self._documents.find(collection, query, tx=self, sort=sort, limit=limit, projection=projection)

    async def count(self, collection: str, query: Mapping[str, Any]) -> int:
        """Return how many documents match `query`."""
        return await self._documents.count(collection, query, tx=self)


class Reader(Protocol):
    """A source of documents: the database, or one of its transactions."""

    async def find_one(self, collection: str, query: dict[str, Any], /) -> Document | None: ...

    async def find(
        self,
        collection: str,
        query: dict[str, Any],
        /,
        *,
        sort: Sequence[tuple[str, int]] | None = None,
        limit: int = 0,
        projection: Mapping[str, Any] | None = None,
    ) -> list[Document]: ...


class Database:
    """One database of MongoDB."""

    def __init__(self, client: Client, name: str) -> None:
        self._client = client
        self._database: AsyncDatabase[Document] = client[name]

    async def find_one(
        self,
        collection: str,
        query: Mapping[str, Any],
        *,
        tx: Transaction | None = None,
        projection: Mapping[str, Any] | None = None,
    ) -> Document | None:
        """Return a document that matches `query`, or None."""
        with translate_errors(within=tx):
            found: Document | None = await self._database[collection].find_one(
                query, projection, session=tx.session if tx else None
            )
            return found

    async def find(
        self,
        collection: str,
        query: Mapping[str, Any],
        *,
        tx: Transaction | None = None,
        sort: Sequence[tuple[str, int]] | None = None,
        limit: int = 0,
        skip: int = 0,
        projection: Mapping[str, Any] | None = None,
        max_time_ms: int | None = None,
    ) -> list[Document]:
        """Return the documents that match `query`. A `limit` of 0 means all of them."""
        with translate_errors(within=tx):
            cursor = self._database[collection].find(query, projection, session=tx.session if tx else None)
            if sort:
                cursor = cursor.sort(list(sort))
            if skip:
                cursor = cursor.skip(skip)
            if limit:
                cursor = cursor.limit(limit)
            if max_time_ms is not None:
                cursor = cursor.max_time_ms(max_time_ms)
            documents: list[Document] = await cursor.to_list(None)
            return documents

    async def count(self, collection: str, query: Mapping[str, Any], *, tx: Transaction | None = None) -> int:
        """Return how many documents match `query`."""
        with translate_errors(within=tx):
            n: int = await self._database[collection].count_documents(query, session=tx.session if tx else None)
            return n

    async def aggregate(self, collection: str, pipeline: Sequence[Mapping[str, Any]]) -> list[Document]:
        """Run a pipeline, and return the documents that it yields. Never put a user's operators into the pipeline."""
        with translate_errors():
            cursor = await self._database[collection].aggregate(list(pipeline))
            return await cursor.to_list(None)

    async def watch_collection(self, collection: str, *, after: str = "") -> "AsyncChangeStream[Document]":
        """Open the stream of changes of `collection`, without the documents: all after the token `after`, or all from
        now on.

        `runtime.kernel.changes` reads it.
        """
        return await self._database[collection].watch(
            [
                {"$match": {"operationType": {"$in": ["insert", "update", "replace"]}}},
                {"$project": {"_id": 1, "documentKey": 1}},
            ],
            resume_after={"_data": after} if after else None,
            max_await_time_ms=_AWAIT_CHANGE_MS,
        )

    async def insert_new(self, collection: str, documents: Sequence[Document]) -> None:
        """Store the documents whose `_id` does not exist yet, without a decision of the kernel."""
        if not documents:
            return
        with translate_errors():
            operations = [
                UpdateOne({"_id": document["_id"]}, {"$setOnInsert": document}, upsert=True) for document in documents
            ]
            await self._database[collection].bulk_write(operations, ordered=False)

    async def insert_one(self, collection: str, document: Document) -> None:
        """Store a new document, without a decision of the kernel.

        On return it is on the disks of a majority of the database's members. If a network error leaves the outcome
        open, the driver repeats the insert, and the database stores it once.

        Raises:
            Conflict: the collection has a document of the same `_id`, or of the same value in a unique index.
        """
        with translate_errors():
            try:
                await self._database[collection].insert_one(document)
            except DuplicateKeyError as error:
                raise Conflict(f"it exists already in {collection}") from error

    async def delete_matching(self, collection: str, query: Mapping[str, Any]) -> int:
        """Delete the documents that match `query`, without a decision of the kernel. Return how many were deleted."""
        with translate_errors():
            result = await self._database[collection].delete_many(dict(query))
            return result.deleted_count

    async def distinct(self, collection: str, key: str, query: Mapping[str, Any]) -> list[Any]:
        """Return the different values of `key` in the documents that match `query`."""
        with translate_errors():
            values: list[Any] = await self._database[collection].distinct(key, query)
            return values

    async def compare_and_set(self, collection: str, query: Mapping[str, Any], operators: Mapping[str, Any]) -> bool:
        """Apply update operators to the one document that matches `query`. Return whether a document matched.

        On return the change is on the disks of a majority of the database's members.
        """
        with translate_errors():
            result = await self._database[collection].update_one(dict(query), dict(operators))
            return result.matched_count == 1

    async def count_up(self, collection: str, key: str, n: int = 1) -> int:
        """Take the next `n` integers of the counter `key` (the first is 1), and return the last of them.

        No integer is taken twice. Some may never be taken.
        """
        with translate_errors():
            counter = await self._database[collection].find_one_and_update(
                {"_id": key}, {"$inc": {"last": n}}, upsert=True, return_document=ReturnDocument.AFTER
            )
            assert counter is not None  # with `upsert` there is one
            return int(counter["last"])

    async def bulk_update(
        self, collection: str, updates: Sequence[tuple[Mapping[str, Any], Mapping[str, Any]]], *, upsert: bool = False
    ) -> int:
        """Apply (query, update) pairs in any order, without a decision of the kernel. Return how many changed.

        With `upsert`, insert a document for each query that matches none.
        """
        if not updates:
            return 0
        with translate_errors():
            operations = [UpdateOne(dict(query), dict(update), upsert=upsert) for query, update in updates]
            result = await self._database[collection].bulk_write(operations, ordered=False)
            return result.modified_count

    async def bulk_delete(self, collection: str, ids: Sequence[Any]) -> int:
        """Delete the documents with these ids, without a decision of the kernel. Return how many were deleted."""
        if not ids:
            return 0
        with translate_errors():
            result = await self._database[collection].delete_many({"_id": {"$in": list(ids)}})
            return result.deleted_count

    async def ensure_indexes(self, indexes: Mapping[str, Sequence[Index]]) -> None:
        """Create those of `indexes` that are missing. The keys are names of collections."""
        with translate_errors(patience_s=_INDEX_PATIENCE_S):
            for collection, wanted in indexes.items():
                await self._database[collection].create_indexes([index_model(index) for index in wanted])

    async def ping(self) -> None:
        """Return if a primary answers.

        Raises:
            Unavailable: no primary answers.
        """
        with translate_errors():
            await self._client.admin.command("ping")

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()
