"""The views of a workflow over real HTTP: graph, progress, explanation, history and streams, in one running world."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import httpx2

from ewms.aio import AsyncClient
from ewms.workflows.progress import Observation
from schemas.events import Snapshot, TaskforceStatuses
from schemas.fleet.worker_times import WorkerTimes
from schemas.questions.queues import HistoryAnswer, QueueHistory, QueuePoints
from tests.integration.wms.conftest import World
from tests.unit.runtime.web.news.test_sse_format import parse_stream
from tests.waiting import eventually


class Stream:
    """A stream of events that a test reads bit by bit."""

    def __init__(self, answer: httpx2.Response) -> None:
        self._bytes = answer.aiter_raw()
        self._read = b""
        self.n_taken = 0

    async def next(self) -> tuple[str, str, dict[str, Any]]:
        """Return id, name and data of the next event."""
        async with asyncio.timeout(60):
            while len(found := parse_stream(self._read)) <= self.n_taken:
                self._read += await anext(self._bytes)
        place, name, data = found[self.n_taken]
        self.n_taken += 1
        return place, name, httpx2.Response(200, content=data).json()


@asynccontextmanager
async def follow(world: World, path: str, *, after: str = "", subject: str = "ada") -> AsyncIterator[Stream]:
    headers = {**world.as_user(subject), **({"Last-Event-ID": after} if after else {})}
    async with world.http.stream("GET", path, headers=headers) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield Stream(answer)


async def observe_whole(ews: AsyncClient, workflow_id: str) -> list[Observation]:
    async with asyncio.timeout(120):
        return [seen async for seen in ews.run(workflow_id).observe()]


async def test_a_workflow_is_shown_as_a_whole(world: World) -> None:
    made = await world.submit()
    workflow_id, uuid = made["workflow"]["workflow_id"], made["taskforces"][0]["taskforce_uuid"]
    mqid = made["task_directives"][0]["input_queues"][0]
    await world.in_phase(uuid, "condor-submit")
    depth = world.mqs.depths.queues[0].model_copy(update={"mqid": mqid})
    world.mqs.depths = world.mqs.depths.model_copy(update={"queues": [depth]})
    of_one = f"/v1/workflows/{workflow_id}"

    graph = (await world.get(f"{of_one}/graph")).json()
    assert [task["task_id"] for task in graph["tasks"]] == [task["task_id"] for task in made["task_directives"]]
    assert {edge["mqid"] for edge in graph["edges"]} >= {mqid}
    drawing = await world.http.get(f"{of_one}/graph", headers={**world.as_user(), "Accept": "text/vnd.graphviz"})
    assert drawing.headers["content-type"].startswith("text/vnd.graphviz")
    assert drawing.text.startswith("digraph workflow {")
    assert drawing.headers["vary"] == "Accept"
    assert (await world.get(f"{of_one}/graph?format=mermaid")).text.startswith("flowchart LR")
    assert (await world.get(f"{of_one}/graph?format=svg")).status_code == 400

    async def progress() -> dict[str, Any]:
        found: dict[str, Any] = (await world.get(f"{of_one}/progress")).json()
        return found

    shown = await eventually(progress, lambda shown: bool(shown["queues"]) and shown["queues"][0]["n_ready"] == 3)
    assert (shown["n_dead"], shown["unseen"], shown["ending"]["workflow_id"]) == (4, "", workflow_id)
    assert shown["workers"]["n_wanted"] > 0
    explained = (await world.get(f"{of_one}/explain")).json()
    causes = {cause["cause"]: cause for cause in explained["causes"]}
    assert {"dead-letters", "events-delayed"} <= causes.keys()
    assert causes["dead-letters"]["command"] == f"ewms dlq list {workflow_id}"
    assert {problem["cause"] for problem in shown["problems"]} <= causes.keys()

    points = QueuePoints(
        at_s=[1795219200],
        n_ready=[3],
        n_unacknowledged=[1],
        n_delayed=[5],
        n_consumers=[2],
        oldest_s=[7],
        in_per_s=[0.5],
        out_per_s=[0.25],
    )
    alias = depth.alias
    one = QueueHistory(mqid=mqid, alias=alias, is_public=True, points=points)
    world.mqs.told["history"] = HistoryAnswer(workflow_id=workflow_id, queues=[one])
    history = await world.get(f"{of_one}/queues/history?since=2026-11-29T08:00:00%2B01:00&points=7")
    assert history.json()["queues"][0]["points"]["oldest_s"] == [7]
    asked: Any = world.mqs.asked[-1]
    assert (mqid in asked.mqids, asked.n_points, asked.since.isoformat()) == (
        True,
        7,
        "2026-11-29T07:00:00+00:00",
    )
    queue = (await world.get(f"/v1/queues/{mqid}")).json()
    assert (queue["workflow_id"], queue["n_ready"], queue["in_per_s"], queue["oldest_s"]) == (workflow_id, 3, 0.5, 7)
    for bad in (
        "since=yesterday",
        "since=2026-11-30T08:00:00",
        "points=0",
        "points=9999",
        "since=2999-01-01T00:00:00Z",
        "since=0001-01-01T00:00:00%2B14:00",
        "mqids=none-such",
    ):
        refused = await world.get(f"{of_one}/queues/history?{bad}")
        assert (refused.status_code, refused.json()["error"].startswith("'")) == (400, True), bad

    times = {
        "sums": {"starting": {"n_now": 0, "offset_ms": 10_000}, "working": {"n_now": 0, "offset_ms": 90_000}},
        "first_run_at": "2026-11-30T08:00:00Z",
        "last_left_at": "2026-11-30T08:01:40Z",
        "last_done_at": "2026-11-30T08:01:30Z",
        "n_runs": 1,
        "n_pilots": 1,
        "n_slots": 1,
        "n_done": 8,
        "done_ms": 80_000,
        "durations": {"26": 8},
    }
    snapshot = Snapshot(
        taskforce_uuid=uuid,
        epoch=1,
        seq=1,
        as_of=datetime.now(UTC),
        compound_statuses={},
        top_task_errors={},
        times=WorkerTimes.model_validate(times),
    )
    await world.tms.say(TaskforceStatuses(schedd=made["taskforces"][0]["schedd"], snapshots=[snapshot]))

    async def report() -> dict[str, Any]:
        found: dict[str, Any] = (await world.get(f"{of_one}/report")).json()
        return found

    told = await eventually(report, lambda told: told["figures"]["events_done"]["value"] == 8)
    assert (told["workflow_id"], told["is_over"], told["events_failed"]["value"]) == (workflow_id, False, 0)
    assert told["tasks"][0]["figures"]["starting"]["value"] == 0.1
    assert told["tasks"][0]["service_time"]["value"] == 10
    assert told["figures"]["time_to_last_success"]["value"] == 90

    others = ("graph", "progress", "explain", "report", "queues/history", "events")
    for path in (*(f"{of_one}/{each}" for each in others), f"/v1/queues/{mqid}"):
        foreign = await world.get(path, subject="eve")
        missing = await world.get(path.replace(workflow_id, "WF-00000000-00000000").replace(mqid, "a" + "0" * 20))
        assert (foreign.status_code, missing.status_code) == (404, 404), path

    async with follow(world, f"{of_one}/events") as stream:
        place, name, data = await stream.next()
        assert (name, data["workflow_id"], data["n_dead"]) == ("workflow", workflow_id, 4)
        world.mqs.depths = world.mqs.depths.model_copy(update={"n_dead": 5})
        later, name, data = await stream.next()
        assert (name, data["n_dead"], later != place) == ("workflow", 5, True)
    async with (
        follow(world, f"{of_one}/events", after=later) as stream,
        follow(world, "/v1/events") as all_,
        AsyncClient(world.wms.gateway_url, token=world.as_user()["Authorization"].split()[1]) as ews,
    ):
        watching = asyncio.create_task(observe_whole(ews, workflow_id))
        listed = await anext(news := ews.follow_workflows())
        assert (listed.is_whole, [each.workflow_id for each in listed.workflows]) == (True, [workflow_id])
        _, name, data = await all_.next()
        assert (name, [each["workflow_id"] for each in data["workflows"]]) == ("list", [workflow_id])
        assert (await world.post(f"{of_one}/actions/abort")).status_code == 200
        names = []
        while names[-1:] != ["end"]:
            _, name, data = await stream.next()
            names.append(name)
            if name == "workflow":
                assert data["standing"] in ("ending", "aborted"), "a resumed stream does not repeat what is known"
        _, name, data = await all_.next()
        assert (name, data["outcome"]) == ("workflow", "aborted")
        changed = await anext(news)
        assert (changed.is_whole, changed.workflows[0].outcome, changed.id != listed.id) == (False, "aborted", True)
        since = await anext(ews.follow_workflows(after=listed.id))
        assert since.is_whole, "the client goes on where it was, and gets what is new"
        seen = await watching
        assert [each.state.over for each in seen] == [False] * (len(seen) - 1) + [True]
    async with follow(world, "/v1/events", subject="eve") as foreign_stream:
        assert (await foreign_stream.next())[2] == {"workflows": []}
