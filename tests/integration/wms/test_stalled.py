"""Work that waits in vain is told with its cause: a real store, and the clock and the counts in the test's hands."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from pymongo import MongoClient

from schemas.attempts.dead_letters import LettersDone
from schemas.errors import Unavailable
from schemas.events import QueuesDeferred, Snapshot, TaskforceStatuses, WorkflowRequested
from schemas.fleet.documents import WORKFLOWS
from schemas.ids import Mqid, TaskforceUuid
from schemas.questions.bases import Answer, Question
from schemas.questions.queues import BacklogsAnswer, BacklogsQuery, Depth, DepthsAnswer, DepthsQuery, QueueBacklog
from tests.integration.wms.conftest import SCHEDD, World
from tests.waiting import eventually
from wms.census.census import Census
from wms.fleet.choices.locations import LocationMap
from wms.fleet.repository import LIVE
from wms.fleet.stalls.stall_watch import StallWatch

EMPTY = QueueBacklog(n_ready=0, n_unacknowledged=0, n_delayed=0, n_consumers=0)


class Counts:
    """MQS, as far as it counts events: every queue holds the same."""

    def __init__(self) -> None:
        self.each = EMPTY
        self.depths = DepthsAnswer(queues=[], n_dead=0)
        self.is_away = False
        self.before_depths: Callable[[], Awaitable[object]] = _do_nothing
        self.asked: list[list[Mqid]] = []

    async def ask(self, request: Question, *, timeout_s: float = 5.0) -> Answer:
        if isinstance(request, DepthsQuery):
            await self.before_depths()
            return self.depths
        assert isinstance(request, BacklogsQuery)
        self.asked.append(request.mqids)
        if self.is_away:
            raise Unavailable("no answer within 5 s")
        return BacklogsAnswer(queues=dict.fromkeys(request.mqids, self.each))


async def _do_nothing() -> None:
    """MQS answers at once."""


async def _refuse() -> None:
    raise Unavailable("no answer within 5 s")


class Watched:
    """A world with a watch of its own, whose clock the test moves. WMS's own watch has stopped: it would write too."""

    @classmethod
    async def begin(cls, world: World) -> "Watched":
        """Return such a world. The watch's clock stands at the real time."""
        await world.wms.stall_watch.stop()
        return cls(world)

    def __init__(self, world: World) -> None:
        self.world = world
        self.counts = Counts()
        self.now = datetime.now(UTC)
        self.watch = StallWatch(
            world.wms.store, self.counts, LocationMap(world.settings.clusters), clock=lambda: self.now
        )
        self.n_snapshots = 0

    async def look_after(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
        await self.watch.look_once()

    async def stalled(self, workflow_id: str) -> list[tuple[str, str]] | None:
        """Return the causes and commands that REST tells; None: the workflow is not stalled."""
        seen = (await self.world.get(f"/v1/workflows/{workflow_id}?include=health")).json()
        stall = seen["health"]["stalled"]
        return None if stall is None else [(cause["cause"], cause["command"]) for cause in stall["causes"]]

    async def report(
        self, uuid: str, statuses: Mapping[str, Mapping[str, int]], errors: Mapping[str, int] | None = None
    ) -> None:
        """Have the TMS tell how the workers stand, as of the watch's now."""
        self.n_snapshots += 1
        told: dict[str, Any] = {name: dict(pilots) for name, pilots in statuses.items()}
        snapshot = Snapshot(
            taskforce_uuid=TaskforceUuid(uuid),
            epoch=1,
            seq=self.n_snapshots,
            as_of=self.now,
            compound_statuses=told,
            top_task_errors=dict(errors or {}),
        )
        await self.world.tms.say(TaskforceStatuses(schedd=SCHEDD, snapshots=[snapshot]))
        await self.world.until(uuid, lambda taskforce: bool(taskforce["compound_statuses"] == told))


async def test_a_stall_is_told_everywhere_while_it_lasts_and_no_longer(world: World) -> None:
    made = await world.submit()
    workflow_id, uuid = made["workflow"]["workflow_id"], made["taskforces"][0]["taskforce_uuid"]
    (task,) = made["task_directives"]
    await world.in_phase(uuid, "condor-submit")
    watched = await Watched.begin(world)
    await watched.report(uuid, {"HELD: Out of memory": {"null": 1000}})

    await watched.look_after(0)
    await watched.look_after(10)
    assert watched.counts.asked[-1] == task["input_queues"]
    assert await watched.stalled(workflow_id) is None, "nothing waits"

    watched.counts.each = EMPTY.model_copy(update={"n_ready": 3})
    await watched.look_after(1)
    assert await watched.stalled(workflow_id) is None, "it may be over in a moment"
    await watched.look_after(9)
    assert await watched.stalled(workflow_id) == [("held", f"ewms taskforce show {uuid}")]
    places = LocationMap(world.settings.clusters)
    await Census(world.wms.store, places, worker_silence=timedelta(minutes=1)).count_once()
    metrics = (await world.http.get("/metrics")).text
    for line in (
        'ewms_wms_workflows_stalled{cause="held"} 1.0',
        'ewms_workflows{state="stalled"} 1.0',
        'ewms_workflows{state="running"} 0.0',
        'ewms_taskforces{cluster="osg",phase="condor-submit"} 1.0',
        'ewms_workers{cluster="osg",status="HELD"} 1000.0',
        'ewms_cluster_heard_timestamp_seconds{cluster="osg"} 1.',
        "ewms_outbox_oldest_seconds ",
        'ewms_dependency_up{dependency="mongodb"} 1.0',
    ):
        assert line in metrics, line
    seen = (await world.get(f"/v1/taskforces/{uuid}?include=health")).json()["health"]
    assert (seen["n_wanted"], seen["n_at_work"]) == (1000, 0)
    assert [(one["cause"], one["n_workers"], one["is_coming"]) for one in seen["missing"]] == [("held", 1000, False)]

    # Another watch, as after a restart, takes it over with its beginning.
    before = await world.wms.store.find_one("WorkflowColl", {"_id": workflow_id})
    again = await Watched.begin(world)
    again.counts.each, again.now = watched.counts.each, watched.now
    await again.look_after(1)
    await again.look_after(9)
    after = await world.wms.store.find_one("WorkflowColl", {"_id": workflow_id})
    assert before is not None
    assert after is not None
    assert after["stalled"] == before["stalled"]

    await watched.report(uuid, {"RUNNING": {"Started": 1000}})
    await watched.look_after(1)
    assert await watched.stalled(workflow_id) is None
    assert 'ewms_wms_workflows_stalled{cause="held"} 0.0' in (await world.http.get("/metrics")).text


async def test_queues_that_wait_and_a_broker_that_is_away_are_told(world: World) -> None:
    busy = await world.submit()
    await world.in_phase(busy["taskforces"][0]["taskforce_uuid"], "condor-submit")
    world.mqs.activates = False
    waiting = (await world.submit())["workflow"]["workflow_id"]
    await world.mqs.hear(WorkflowRequested, lambda wanted: wanted.workflow_id == waiting)
    await world.mqs.say(QueuesDeferred(workflow_id=waiting, reason="the broker has no room for 2 queues"))
    await eventually(
        lambda: world.get(f"/v1/workflows/{waiting}?include=health"),
        lambda answer: answer.json()["health"]["queues_deferred"],
    )
    # Only now, so that however long all this took, its clock is not behind that of the request.
    watched = await Watched.begin(world)
    await watched.look_after(11)
    assert await watched.stalled(waiting) == [("queues-awaited", "ewms workflow list")]

    watched.counts.is_away = True
    await watched.look_after(1)
    await watched.look_after(11)
    assert await watched.stalled(busy["workflow"]["workflow_id"]) == [("broker-away", "ewms doctor")]
    assert await watched.stalled(waiting) == [("queues-awaited", "ewms workflow list")]
    watched.counts.is_away = False
    await watched.look_after(1)
    assert await watched.stalled(busy["workflow"]["workflow_id"]) is None

    ended = await world.post(f"/v1/workflows/{waiting}/actions/abort", {})
    assert ended.status_code == 200
    assert await watched.stalled(waiting) is None, "what was ended waits for nothing"


async def test_a_look_goes_through_live_workflows_alone_however_many_have_ended(world: World) -> None:
    await world.submit()
    with MongoClient[dict[str, Any]](world.settings.mongo_url.get_secret_value()) as client:
        found = client[world.settings.mongo_database][WORKFLOWS].find(LIVE)
        plan = str(found.explain()["queryPlanner"]["winningPlan"])
    assert "IXSCAN" in plan, plan
    assert "COLLSCAN" not in plan, plan


def count_failed(mqids: Sequence[str], *, n_dead: int, n_failed: int) -> DepthsAnswer:
    """Return the depths of a workflow of 7 events, of which `n_failed` have failed."""
    depths = [
        Depth(
            mqid=Mqid(mqid),
            alias="in",
            is_public=True,
            n_ready=0,
            n_unacknowledged=7 - n_failed,
            n_consumers=1,
            n_arrived=7,
            n_gone=n_failed,
        )
        for mqid in mqids
    ]
    return DepthsAnswer(queues=depths, n_dead=n_dead, n_failed=n_failed)


async def test_a_run_whose_every_event_has_failed_is_told_with_what_to_type(world: World) -> None:
    watched, task = await all_failed(world)
    workflow_id = task["workflow_id"]
    assert 'ewms_wms_workflows_stalled{cause="all-failed"} 1.0' in (await world.http.get("/metrics")).text

    # The letters are replayed.
    watched.counts.each = EMPTY.model_copy(update={"n_unacknowledged": 2, "n_consumers": 1000})
    await watched.look_after(1)
    assert await watched.stalled(workflow_id) is None


async def all_failed(world: World) -> tuple[Watched, dict[str, Any]]:
    """Return a workflow's watch, and the workflow's only task. Users see that its every event has failed."""
    made = await world.submit()
    uuid = made["taskforces"][0]["taskforce_uuid"]
    (task,) = made["task_directives"]
    await world.in_phase(uuid, "condor-submit")
    watched = await Watched.begin(world)
    await watched.report(uuid, {"RUNNING": {"Tasking": 1000}}, {"ValueError: x": 1000})
    watched.counts.depths = count_failed(task["input_queues"], n_dead=7, n_failed=7)
    await watched.look_after(0)
    await watched.look_after(5)
    assert await watched.stalled(task["workflow_id"]) == [("all-failed", f"ewms dlq list {task['workflow_id']}")]
    return watched, task


async def order(world: World, action: str, task: Mapping[str, Any], *, n_dead: int, n_failed: int) -> None:
    """Have a user replay or discard all letters. From then on MQS counts `n_dead` and `n_failed`."""
    world.mqs.told["dead-letters-order"] = LettersDone(n_done=7, n_missing=0, n_left=0)
    world.mqs.depths = count_failed(task["input_queues"], n_dead=n_dead, n_failed=n_failed)
    path = f"/v1/workflows/{task['workflow_id']}/dead-letters/actions/{action}"
    assert (await world.post(path, {"all": True})).status_code == 200


async def test_after_a_replay_no_process_says_any_more_that_every_event_has_failed(world: World) -> None:
    watched, task = await all_failed(world)
    await order(world, "replay", task, n_dead=0, n_failed=0)
    assert await watched.stalled(task["workflow_id"]) is None

    # The broker does not count the replayed events yet, and MQS does not answer: the watch's own verdict is gone too.
    watched.counts.before_depths = _refuse
    await watched.look_after(1)
    await watched.look_after(10)
    assert await watched.stalled(task["workflow_id"]) is None


async def test_a_look_that_began_before_a_replay_does_not_store_its_verdict_after_it(world: World) -> None:
    watched, task = await all_failed(world)
    # This watch has another text than the stored one, so it would write.
    watched.counts.depths = count_failed(task["input_queues"], n_dead=5, n_failed=7)

    async def replay_meanwhile() -> None:
        watched.counts.before_depths = _refuse
        await order(world, "replay", task, n_dead=0, n_failed=0)

    watched.counts.before_depths = replay_meanwhile
    await watched.look_after(1)
    assert watched.counts.before_depths is _refuse, "it asked"
    assert await watched.stalled(task["workflow_id"]) is None
    await watched.look_after(1)
    assert await watched.stalled(task["workflow_id"]) is None


async def test_after_a_discard_the_list_of_letters_is_no_advice_any_more(world: World) -> None:
    watched, task = await all_failed(world)
    close = [("all-failed", f"ewms workflow close-inputs {task['workflow_id']}")]
    await order(world, "discard", task, n_dead=0, n_failed=7)
    assert await watched.stalled(task["workflow_id"]) == close

    # The watch takes over the new verdict, also if MQS does not answer it.
    watched.counts.before_depths = _refuse
    await watched.look_after(1)
    await watched.look_after(10)
    assert await watched.stalled(task["workflow_id"]) == close
