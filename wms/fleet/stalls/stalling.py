"""Decide whether a workflow is stalled: work waits, but no worker for it comes. (core)

    what is seen (queues, workers, time)  ->  obstacles  ->  those that last  ->  the stall that users see

Users see an obstacle only if it has lasted: counts and statuses are some seconds old, and after each change they
disagree for a moment. `PATIENCE` plus the pause between two looks stays below 30 s. The only exception is connected
workers that take no events: WMS needs a full half minute to see that.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from schemas.api.workflows.health import FAILING
from schemas.causes.table import write_command, write_text
from schemas.fleet.phases import WANTED
from schemas.stored_enum import StoredEnum
from wms.fleet.stalls.crew import Crew
from wms.fleet.stalls.staffing import Lack, WorkerShortage, explain_failures_command, find_missing_workers

#: How long a new workflow may wait for its queues, or for an answer from MQS, before that is an obstacle.
QUEUES_WITHIN = timedelta(seconds=10)


#: How many characters of a task's error a cause quotes.
_MAX_QUOTED = 200


class ObstacleKind(StoredEnum):
    """The kinds of obstacles."""

    #: The workflow's queues do not exist yet: the broker has no room for them, or MQS does not answer.
    QUEUES_AWAITED = "queues-awaited"
    #: The depths of the queues are unknown: the broker or MQS is away, or refuses.
    BROKER_AWAY = "broker-away"
    #: The task fails on every worker. Its workers may take events, and each failure counts until the events are given
    #: up.
    ALL_BAD = "all-bad"
    #: Events wait for a task that has no worker, and no worker comes. Or a task that takes no events has no worker.
    NO_WORKERS = "no-workers"
    #: Events wait for a task, but all its workers have ended early. They pause for seconds or minutes before the next
    #: start.
    PAUSED = "paused"
    #: Events wait for a task. By their statuses its workers run, but its queues have no consumer.
    NO_TAKERS = "no-takers"
    #: Events wait, and workers are connected, but they take no events.
    TAKES_NOTHING = "takes-nothing"
    #: Every event has failed, so nothing happens until a user acts. `failed_runs` finds these workflows.
    ALL_FAILED = "all-failed"


#: How long an obstacle must last before users see it.
PATIENCE: Mapping[ObstacleKind, timedelta] = {
    ObstacleKind.QUEUES_AWAITED: timedelta(0),
    ObstacleKind.BROKER_AWAY: timedelta(seconds=10),
    ObstacleKind.ALL_BAD: timedelta(seconds=4),
    ObstacleKind.NO_WORKERS: timedelta(seconds=8),
    ObstacleKind.PAUSED: timedelta(seconds=20),
    ObstacleKind.NO_TAKERS: timedelta(seconds=15),
    ObstacleKind.TAKES_NOTHING: timedelta(seconds=45),
    ObstacleKind.ALL_FAILED: timedelta(seconds=4),
}

#: An obstacle that follows from another one, which users may have seen before. Its time begins with that one.
_FOLLOWS: Mapping[ObstacleKind, ObstacleKind] = {ObstacleKind.ALL_FAILED: ObstacleKind.ALL_BAD}


@dataclass(frozen=True, slots=True)
class QueueLoad:
    """The counts of one queue: its events by state, and its consumers."""

    n_ready: int = 0
    n_unacknowledged: int = 0
    n_delayed: int = 0
    n_consumers: int = 0

    def __add__(self, other: "QueueLoad") -> "QueueLoad":
        return QueueLoad(
            self.n_ready + other.n_ready,
            self.n_unacknowledged + other.n_unacknowledged,
            self.n_delayed + other.n_delayed,
            self.n_consumers + other.n_consumers,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowSight:
    """The result of one look at a live workflow: its tasks' input queues and crews, and the counts of these queues.

    `backlogs` has the queues that the look has counted. The look judges a task only if it has counted all of the task's
    queues. `unseen` is the reason if it could count no queue.
    """

    workflow_id: str
    requested_at: datetime
    has_queues: bool
    has_closed_inputs: bool = False
    deferred: str = ""
    inputs: Mapping[str, Sequence[str]]
    crews: Sequence[Crew]
    backlogs: Mapping[str, QueueLoad]
    unseen: str = ""
    #: How many orders about dead letters its users have given.
    n_letter_orders: int = 0


@dataclass(frozen=True, slots=True)
class Obstacle:
    """A reason why work of a workflow or of one task does not progress. `cause` is its kind, or why workers are
    missing.
    """

    kind: ObstacleKind
    cause: str
    text: str
    command: str
    task_id: str = ""
    n_events: int = 0


#: (workflow, task, kind) -> since when every look has seen this obstacle.
Doubts = Mapping[tuple[str, str, ObstacleKind], datetime]


def find_obstacles(seen: WorkflowSight, now: datetime) -> list[Obstacle]:
    """Return the obstacles of the waiting work that this one look shows."""
    if not seen.has_queues:
        return _judge_queue_wait(seen, now)
    if seen.unseen:
        return [
            Obstacle(
                ObstacleKind.BROKER_AWAY,
                ObstacleKind.BROKER_AWAY,
                write_text("broker-away", why=seen.unseen),
                write_command("broker-away"),
            )
        ]
    found = []
    for task_id, mqids in seen.inputs.items():
        crews = [crew for crew in seen.crews if crew.task_id == task_id]
        obstacle = None
        if not mqids:
            obstacle = _judge_source(task_id, crews, now)
        elif all(mqid in seen.backlogs for mqid in mqids):
            backlog = sum((seen.backlogs[mqid] for mqid in mqids), QueueLoad())
            obstacle = _judge_task(task_id, backlog, crews, now)
        if obstacle is not None:
            found.append(obstacle)
    return found


def is_suspect(seen: WorkflowSight, now: datetime) -> bool:
    """Return whether a task of `seen` has no worker that takes events and no worker that comes soon."""
    return seen.has_queues and any(
        mqids and not _has_hope([crew for crew in seen.crews if crew.task_id == task_id], now)
        for task_id, mqids in seen.inputs.items()
    )


def _judge_queue_wait(seen: WorkflowSight, now: datetime) -> list[Obstacle]:
    if now - seen.requested_at < QUEUES_WITHIN:
        return []
    why = seen.deferred or "MQS has not answered yet"
    return [
        Obstacle(
            ObstacleKind.QUEUES_AWAITED,
            ObstacleKind.QUEUES_AWAITED,
            write_text("queues-awaited", why=why),
            write_command("queues-awaited"),
        )
    ]


def _judge_task(task_id: str, backlog: QueueLoad, crews: Sequence[Crew], now: datetime) -> Obstacle | None:
    n_waiting = backlog.n_ready + backlog.n_delayed
    wanted = [crew for crew in crews if crew.phase in WANTED and not crew.has_ended]
    if wanted and all(crew.is_all_bad for crew in wanted) and n_waiting + backlog.n_unacknowledged:
        return _report_all_bad(task_id, n_waiting + backlog.n_unacknowledged, wanted)
    if not n_waiting or backlog.n_unacknowledged:
        return None
    if backlog.n_consumers:
        if not backlog.n_ready:
            return None  # all events are delayed, and their next attempt is due in a moment
        kind = ObstacleKind.TAKES_NOTHING
        text = write_text("takes-nothing", n=n_waiting, n_consumers=backlog.n_consumers)
    elif (n_at_work := sum(crew.n_at_work for crew in crews)) > 0:
        if not backlog.n_ready:
            return None  # delayed too: a worker that may be bad steps aside meanwhile
        kind = ObstacleKind.NO_TAKERS
        silent = "; ".join(one.text for one in _merge_missing(crews, now) if not one.is_coming)
        why = f": {silent}" if silent else ""
        text = write_text("no-takers", n=n_waiting, n_workers=n_at_work, why=why)
    elif _has_hope(crews, now):
        return None
    else:
        return _report_no_workers(task_id, n_waiting, _merge_missing(crews, now))
    return Obstacle(kind, kind, text, write_command(kind.value, task=task_id), task_id, n_waiting)


def _report_all_bad(task_id: str, n_events: int, crews: Sequence[Crew]) -> Obstacle:
    cause = FAILING if any(crew.all_bad for crew in crews) else str(ObstacleKind.ALL_BAD)
    text = write_text(cause, n=n_events, why=_quote_error(crews))
    return Obstacle(ObstacleKind.ALL_BAD, cause, text, explain_failures_command(crews), task_id, n_events)


def _quote_error(crews: Sequence[Crew]) -> str:
    """Return the commonest last error of the workers, cut to `_MAX_QUOTED` characters."""
    errors = [(n, error) for crew in crews for error, n in crew.errors.items()]
    text = max(errors)[1] if errors else "they report no error"
    return text if len(text) <= _MAX_QUOTED else f"{text[:_MAX_QUOTED]}…"


def _judge_source(task_id: str, crews: Sequence[Crew], now: datetime) -> Obstacle | None:
    """Return the obstacle of a task that takes no events, if it cannot run. Workers that have ended are done, so ignore
    them.
    """
    missing = [
        one
        for one in _merge_missing(crews, now)
        if one.lack not in (Lack.GONE, Lack.ENDED, Lack.PAUSED, Lack.PILOT_FAILED)
    ]
    if not missing or _has_hope(crews, now):
        return None
    why = "; ".join(f"{one.n_workers} worker(s) {one.text}" for one in missing[:3])
    text = write_text("source-stuck", why=why)
    return Obstacle(ObstacleKind.NO_WORKERS, missing[0].lack.value, text, missing[0].command, task_id)


def _has_hope(crews: Iterable[Crew], now: datetime) -> bool:
    """Return whether a worker takes events or comes soon. Ignore a crew whose workers fail on every event."""
    return any(
        crew.n_at_work or any(m.is_soon for m in find_missing_workers(crew, now))
        for crew in crews
        if not crew.is_all_bad
    )


def _report_no_workers(task_id: str, n_waiting: int, missing: Sequence[WorkerShortage]) -> Obstacle:
    why = "; ".join(f"{one.n_workers} worker(s) {one.text}" for one in missing[:3]) or "it has no workers"
    if pausing := [one for one in missing if one.is_coming]:
        text = write_text("waits-for-restart", n=n_waiting, why=why)
        return Obstacle(ObstacleKind.PAUSED, pausing[0].lack, text, pausing[0].command, task_id, n_waiting)
    cause = missing[0].lack.value if missing else ObstacleKind.NO_WORKERS.value
    command = missing[0].command if missing else f"ewms task add-workers {task_id} -n 1"
    text = write_text("no-workers", n=n_waiting, why=why)
    return Obstacle(ObstacleKind.NO_WORKERS, cause, text, command, task_id, n_waiting)


def _merge_missing(crews: Iterable[Crew], now: datetime) -> list[WorkerShortage]:
    """Return the missing workers of several taskforces, grouped by reason."""
    merged: dict[tuple[str, str], WorkerShortage] = {}
    for crew in crews:
        for one in find_missing_workers(crew, now):
            before = merged.get((one.lack, one.text))
            n = one.n_workers + (before.n_workers if before else 0)
            merged[one.lack, one.text] = WorkerShortage(
                one.lack, n, one.cause, one.text, before.command if before else one.command
            )
    return sorted(merged.values(), key=lambda one: one.lack.rank)


def judge_obstacles(
    doubts: Doubts, found: Mapping[str, Sequence[Obstacle]], now: datetime
) -> tuple[Doubts, dict[str, list[Obstacle]]]:
    """Return the doubts after a look, and by workflow the obstacles that have lasted long enough. `found` is what the
    look found.

    If the look could not judge a workflow, the workflow is not in `found`, and its doubts stay.
    """
    after = {key: since for key, since in doubts.items() if key[0] not in found}
    lasting: dict[str, list[Obstacle]] = {}
    for workflow_id, obstacles in found.items():
        lasting[workflow_id] = []
        for obstacle in obstacles:
            key = (workflow_id, obstacle.task_id, obstacle.kind)
            after[key] = since = doubts.get(key) or _find_cause_since(doubts, workflow_id, obstacle.kind) or now
            if now - since >= PATIENCE[obstacle.kind]:
                lasting[workflow_id].append(obstacle)
    return after, lasting


def _find_cause_since(doubts: Doubts, workflow_id: str, kind: ObstacleKind) -> datetime | None:
    """Return since when `workflow_id` has an obstacle that leads to one of `kind`. Return None if it has none."""
    cause = _FOLLOWS.get(kind)
    return min((since for (of, _, seen), since in doubts.items() if of == workflow_id and seen is cause), default=None)
