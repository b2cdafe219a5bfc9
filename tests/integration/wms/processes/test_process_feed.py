"""Streams of processes: what they send, and that a client which comes again misses nothing."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from schemas.engine.run_documents import RUNS, RunDocument
from schemas.engine.runs import NodeStatus, RunStatus
from schemas.ids import NodeKey
from tests.integration.wms.processes.conftest import RestWorld
from tests.unit.wms.processes.process_runs import make_process, make_row

N = NodeStatus


class Listener:
    """One client of a stream."""

    def __init__(self, lines: AsyncIterator[str]) -> None:
        self._lines = lines

    async def next_event(self) -> tuple[str, str, Any]:
        """Return the next event: id, name, data. Comments and pauses are left out."""
        event: dict[str, str] = {}
        async with asyncio.timeout(60):
            async for line in self._lines:
                name, _, value = line.partition(": ")
                if line == "" and "data" in event:
                    return event.get("id", ""), event.get("event", ""), json.loads(event["data"])
                if line and name:
                    event[name] = value
        raise EOFError

    async def is_over(self) -> bool:
        """Return whether the server ends the stream now."""
        try:
            await self.next_event()
        except EOFError:
            return True
        return False


@asynccontextmanager
async def listening(rest: RestWorld, path: str, *, after: str = "", token: str = "root") -> AsyncIterator[Listener]:
    headers = {"Authorization": f"Bearer {token}", **({"Last-Event-ID": after} if after else {})}
    async with rest.http.stream("GET", f"/api{path}", headers=headers) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield Listener(answer.aiter_lines())


async def change(rest: RestWorld, run: RunDocument, *rows: Any, **fields: Any) -> RunDocument:
    """Change a run as the engine does, in one write."""
    after = run.model_copy(update={"rev": run.rev + 1, "log": (*run.log, *rows), **fields})
    await rest.store.compare_and_set(
        RUNS,
        {"_id": run.id},
        {
            "$set": {"rev": after.rev, "status": str(after.status)},
            "$push": {"log": {"$each": [row.model_dump(exclude_defaults=True) for row in rows]}},
        },
    )
    return after


def row(number: int, node: int | None, status: str, **fields: Any) -> Any:
    made = make_row(number, node, status, **fields)
    return made.model_copy(update={"node": None if node is None else NodeKey(str(node))})


async def test_one_process_is_followed_to_its_end_and_taken_up_anywhere(rest: RestWorld) -> None:
    launch = row(1, None, "created", act="launch", who="ada")
    run = await rest.put(make_process([N.PENDING] * 4, RunStatus.RUNNING, log=(launch,)))
    path = f"/processes/{run.uuid}/events"
    seen: list[tuple[str, str, Any]] = []
    async with listening(rest, path) as client:
        seen += [await client.next_event() for _ in range(2)]
        run = await change(rest, run, row(2, 0, "successful", delta={"a": 1}))
        seen += [await client.next_event() for _ in range(2)]
        run = await change(rest, run, row(3, 1, "successful"), row(4, 2, "skipped"), status=RunStatus.SUCCESSFUL)
        seen += [await client.next_event() for _ in range(4)]
        assert await client.is_over()
    assert [name for _, name, _ in seen] == ["act", "process", "step", "process", "step", "step", "process", "end"]
    assert seen[2][2]["state_delta"] == {"a": 1}
    assert seen[6][2]["status"] == "completed"
    for place, (last, _, _) in enumerate(seen[:-1]):
        async with listening(rest, path, after=last) as client:
            again: list[tuple[str, str, Any]] = []
            while not again or again[-1][1] != "end":
                again.append(await client.next_event())
        steps = [data["key"] for _, name, data in again if name == "step"]
        assert steps == [data["key"] for _, name, data in seen[place + 1 :] if name == "step"], last
        if place < 6:
            assert [name for _, name, _ in again][-2:] == ["process", "end"], last


@pytest.mark.parametrize("odd", ["x", "1", "1-x", "-1", "9" * 20 + "-1"])
async def test_an_id_of_another_stream_is_refused(rest: RestWorld, odd: str) -> None:
    run = await rest.put(make_process([N.PENDING] * 4, RunStatus.RUNNING))
    answer = await rest.send("GET", f"/processes/{run.uuid}/events", headers={"Last-Event-ID": odd})
    assert (answer.status_code, answer.json()["status"]) == (400, 400)


async def test_all_processes_are_followed_and_nothing_is_missed_between_two_connections(rest: RestWorld) -> None:
    async with listening(rest, "/processes/events") as client:
        begin = await client.next_event()
        assert begin[1] == "begin"
        first = await rest.put(make_process([N.PENDING] * 4, RunStatus.RUNNING))
        last, name, data = await client.next_event()
        assert (name, data["process_id"], data["status"]) == ("process", first.uuid, "running")
    second = await rest.put(make_process([N.PENDING] * 4, RunStatus.CREATED))
    await change(rest, first, status=RunStatus.SUCCESSFUL)
    async with listening(rest, "/processes/events", after=last) as client:
        missed = [await client.next_event() for _ in range(2)]
    assert [(data["process_id"], data["status"]) for _, _, data in missed] == [
        (second.uuid, "created"),
        (first.uuid, "completed"),
    ]


async def test_an_id_that_the_database_does_not_know_resets_the_client(rest: RestWorld) -> None:
    for unknown in ("82ffff", "nonsense", "1-2"):
        async with listening(rest, "/processes/events", after=unknown) as client:
            assert (await client.next_event())[1] == "reset"
            run = await rest.put(make_process([N.PENDING] * 4, RunStatus.RUNNING))
            assert (await client.next_event())[2]["process_id"] == run.uuid


async def test_a_stream_shows_the_processes_of_the_callers_organizations_only(rest: RestWorld) -> None:
    async with listening(rest, "/processes/events", token="eve/south/auditor") as client:
        assert (await client.next_event())[1] == "begin"
        await rest.put(make_process([N.PENDING] * 4, RunStatus.RUNNING), organization="north")
        own = await rest.put(make_process([N.PENDING] * 4, RunStatus.RUNNING), organization="south")
        assert (await client.next_event())[2]["process_id"] == own.uuid
