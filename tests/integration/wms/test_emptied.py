"""Somebody empties the database under a running WMS, as a test suite does between its cases."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from pymongo import AsyncMongoClient
from pymongo.asynchronous.database import AsyncDatabase

from schemas.events import (
    QueuesActivated,
    Snapshot,
    TaskforceRemove,
    TaskforceStart,
    TaskforceStatuses,
    TaskforceStop,
)
from tests.integration.wms.conftest import SCHEDD, World, request
from tests.integration.wms.test_rest_tms import RestTms, at_rest, pending
from tests.waiting import eventually
from wms.fleet.repository import INDEXES
from wms.settings import WmsSettings

Database = AsyncDatabase[dict[str, Any]]


@pytest.fixture
def wms_settings(wms_settings: WmsSettings) -> WmsSettings:
    return wms_settings.model_copy(update={"index_look_s": 0.3})


@pytest.fixture
def database(mongo_admin_url: str, mongo_database: str) -> Database:
    """WMS's database, for somebody who may drop it; WMS itself may not."""
    database: Database = AsyncMongoClient(mongo_admin_url)[mongo_database]
    return database


async def drop_database(database: Database) -> None:
    await database.client.drop_database(database.name)


async def drop_collections(database: Database) -> None:
    for name in await database.list_collection_names():
        await database.drop_collection(name)


async def delete_documents(database: Database) -> None:
    for name in await database.list_collection_names():
        await database[name].delete_many({})


@pytest.mark.parametrize("empty", [drop_database, drop_collections, delete_documents])
async def test_what_comes_after_goes_its_way_and_what_was_under_way_is_dropped(
    world: World, database: Database, empty: Callable[[Database], Awaitable[None]]
) -> None:
    rest = RestTms(world)
    world.tms.reacts = False
    (lost,) = (await world.submit())["taskforces"]
    (start,) = await world.tms.hear(TaskforceStart)
    _, lost_at_rest = await pending(world)

    await empty(database)
    assert (await world.get(f"/v1/taskforces/{lost['taskforce_uuid']}")).status_code == 404
    assert await rest.get("pending-starter") == {}
    assert (await rest.submitted(lost_at_rest)).status_code == 404
    # Answers to what was asked before arrive; the cluster is not left alone.
    await world.mqs.say(QueuesActivated(workflow_id=start.workflow_id))
    cluster_id = await world.tms.submit(start)
    (order,) = await world.tms.hear(TaskforceRemove)
    assert order.cluster_id == cluster_id
    # Nor are workers that tell of themselves.
    working = Snapshot(
        taskforce_uuid=start.taskforce_uuid,
        epoch=1,
        seq=1,
        as_of=datetime.now(UTC),
        compound_statuses={"RUNNING": {"Tasking": 1}},
        top_task_errors={},
    )
    await world.tms.say(TaskforceStatuses(schedd=SCHEDD, snapshots=[working]))
    (stop,) = await world.tms.hear(TaskforceStop)
    assert stop.taskforce_uuid == start.taskforce_uuid

    world.tms.reacts = True
    (next_one,) = (await world.submit())["taskforces"]
    await world.in_phase(next_one["taskforce_uuid"], "condor-submit")
    _, uuid = await pending(world, **at_rest())
    assert (await rest.get("pending-starter"))["taskforce"]["taskforce_uuid"] == uuid
    await until_indexed(database)


async def until_indexed(database: Database) -> None:
    """Return when every collection has all its indexes."""
    for name, wanted in INDEXES.items():
        # The one of `_id` is MongoDB's own.
        n = len(wanted) + 1
        await eventually(database[name].index_information, lambda found, n=n: len(found) >= n)


async def test_it_may_be_emptied_again_and_again_under_load(world: World, database: Database) -> None:

    async def requests() -> None:
        for _ in range(15):
            answer = await world.post("/v1/workflows", request())
            # In the middle of a drop there may be no answer but these; never a 500.
            assert answer.status_code in (200, 503) or "it exists already in activity" in answer.text, answer.text

    async def drops() -> None:
        for _ in range(20):
            await drop_database(database)
            await asyncio.sleep(0.1)

    await asyncio.gather(requests(), requests(), drops())
    (taskforce,) = (await world.submit())["taskforces"]
    await world.in_phase(taskforce["taskforce_uuid"], "condor-submit")
