"""Readers follow a collection's changes, and learn that it is gone instead of asking a dead stream without end."""

import asyncio

import pytest
from pymongo import MongoClient

from runtime.kernel.changes import Changes, ChangesLost, DocumentChange, open_changes
from runtime.kernel.store import Store


async def test_a_reader_gets_each_change_and_continues_behind_the_last_one(mongo_url: str, mongo_database: str) -> None:
    store = await Store.connect(mongo_url, database=mongo_database, source="ewms/test")
    async with asyncio.timeout(60), open_changes(store, "runs") as changes:
        await store.insert_new("runs", [{"_id": 1}, {"_id": 2}])
        first = await _read_change(changes)
        async with open_changes(store, "runs", after=first.token) as again:
            assert {first.id, (await _read_change(again)).id} == {1, 2}
    await store.close()


async def test_a_reader_of_a_dropped_database_learns_it_and_holds_up_nobody(
    mongo_url: str, mongo_database: str, mongo_admin_url: str
) -> None:
    store = await Store.connect(mongo_url, database=mongo_database, source="ewms/test")
    await store.insert_new("runs", [{"_id": 1}])
    async with asyncio.timeout(60), open_changes(store, "runs") as changes:
        with MongoClient[dict[str, object]](mongo_admin_url) as admin:
            admin.drop_database(mongo_database)
        with pytest.raises(ChangesLost):
            await _read_change(changes)
    await store.close()


async def _read_change(changes: Changes) -> DocumentChange:
    while (change := await changes.read_next()) is None:
        continue
    return change
