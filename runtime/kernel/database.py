"""Read and write documents in MongoDB, in a transaction or outside of one, with a client of fixed guarantees.

Only this module builds the driver's client. It converts the driver's errors to our error families.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC
from typing import Any, Protocol, TypeAlias

from pymongo import AsyncMongoClient, ReturnDocument, UpdateOne
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.asynchronous.database import AsyncDatabase

from runtime.kernel.decision import Document
from runtime.kernel.mongo import Index, index_model, translate_errors

#: The driver's own types. `runtime.kernel.store` runs transactions with them.
Client: TypeAlias = "AsyncMongoClient[Document]"
Session: TypeAlias = AsyncClientSession

#: How long building an index may take: with many old documents it takes minutes.
_INDEX_PATIENCE_S = 600.0


def make_client(url: str, *, appname: str) -> Client:
    """Return a client whose writes count when they are on the disks of a majority of members."""
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
    )


class Transaction:
    """The reads of a step: documents as the transaction sees them."""

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
        """Return the documents that match `query`; `limit` 0 means all of them."""
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
    """One database."""

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
        """Return the documents that match `query`; `limit` 0 means all of them."""
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
        """Run a pipeline, and return its documents. Never put a user's operators into the pipeline."""
        with translate_errors():
            cursor = await self._database[collection].aggregate(list(pipeline))
            return await cursor.to_list(None)

    async def insert_new(self, collection: str, documents: Sequence[Document]) -> None:
        """Store those documents whose `_id` does not exist yet, outside of the kernel."""
        if not documents:
            return
        with translate_errors():
            operations = [
                UpdateOne({"_id": document["_id"]}, {"$setOnInsert": document}, upsert=True) for document in documents
            ]
            await self._database[collection].bulk_write(operations, ordered=False)

    async def delete_matching(self, collection: str, query: Mapping[str, Any]) -> int:
        """Delete the documents that match `query`, outside of the kernel. Return how many it deleted."""
        with translate_errors():
            result = await self._database[collection].delete_many(dict(query))
            return result.deleted_count

    async def distinct(self, collection: str, key: str, query: Mapping[str, Any]) -> list[Any]:
        """Return the different values of `key` in the documents that match `query`."""
        with translate_errors():
            values: list[Any] = await self._database[collection].distinct(key, query)
            return values

    async def compare_and_set(self, collection: str, query: Mapping[str, Any], operators: Mapping[str, Any]) -> bool:
        """Apply update operators to the one document that matches `query`. Return whether there was one.

        This is a commit of one document: when it returns, the change is on the disks of a majority.
        """
        with translate_errors():
            result = await self._database[collection].update_one(dict(query), dict(operators))
            return result.matched_count == 1

    async def count_up(self, collection: str, key: str) -> int:
        """Return the next integer of the counter `key`, from 1. None is given out twice; some may be left out."""
        with translate_errors():
            counter = await self._database[collection].find_one_and_update(
                {"_id": key}, {"$inc": {"last": 1}}, upsert=True, return_document=ReturnDocument.AFTER
            )
            assert counter is not None  # with `upsert` there is one
            return int(counter["last"])

    async def bulk_update(self, collection: str, updates: Sequence[tuple[Mapping[str, Any], Mapping[str, Any]]]) -> int:
        """Apply (query, update) pairs in any order, outside of the kernel. Return how many documents changed."""
        if not updates:
            return 0
        with translate_errors():
            operations = [UpdateOne(dict(query), dict(update)) for query, update in updates]
            result = await self._database[collection].bulk_write(operations, ordered=False)
            return result.modified_count

    async def bulk_delete(self, collection: str, ids: Sequence[Any]) -> int:
        """Delete the documents of these ids, outside of the kernel. Return how many it deleted."""
        if not ids:
            return 0
        with translate_errors():
            result = await self._database[collection].delete_many({"_id": {"$in": list(ids)}})
            return result.deleted_count

    async def ensure_indexes(self, indexes: Mapping[str, Sequence[Index]]) -> None:
        """Create the missing ones of `indexes`, which is keyed by collection."""
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
