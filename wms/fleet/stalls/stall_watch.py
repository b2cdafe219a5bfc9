"""Watch live workflows for work that waits without progress, and store the findings for users.

Each time, the loop reads the live workflows and their taskforces. Then it asks MQS how many events wait in the input
queues. It asks about a limited number of queues: first those of suspects, then those of the others in turn. `stalling`
decides. A changed finding is written outside the kernel, because no decision reads it.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, MutableMapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from runtime.bus.questions import Asks
from runtime.clock import utc_now
from runtime.concurrency.loops import BackgroundLoop
from runtime.kernel.decision import Document
from runtime.kernel.store import Store
from runtime.telemetry import fresh_gauge, log
from schemas.errors import Broken, EWMSError, Unavailable
from schemas.fleet.documents import TASK_DIRECTIVES, TASKFORCES, WORKFLOWS
from schemas.ids import Mqid
from schemas.questions.queues import MAX_BACKLOGS, BacklogsAnswer, BacklogsQuery
from wms.fleet import repository
from wms.fleet.choices.fleet_settings import FleetSettings, ReadSettings
from wms.fleet.choices.locations import LocationMap
from wms.fleet.stalls.crew import read_crew
from wms.fleet.stalls.failure_look import FailureLook
from wms.fleet.stalls.stalling import (
    Doubts,
    Obstacle,
    QueueLoad,
    WorkflowSight,
    find_obstacles,
    is_suspect,
    judge_obstacles,
)
from wms.fleet.stalls.stored_stalls import make_stall, recall_doubts, select_known_orders

#: The pause between two looks, in seconds. After a long look the pause is `_TIMES_THE_LOOK` times as long as the look,
#: up to the longest pause: with a longer one, users would learn of a stall too late.
LOOK_INTERVAL_S = 4.0
_LONGEST_PAUSE_S = 10.0
_TIMES_THE_LOOK = 5

#: How many workflows to read at a time, so that no look holds up the gateway.
_PAGE = 500

_WORKFLOW = (
    "timestamp", "queues", "queues_deferred", "queues_active_at", "inputs_closed_at", "stalled", "n_letter_orders",
)  # fmt: skip
_TASKFORCE = (
    "taskforce_uuid", "task_id", "workflow_id", "schedd", "phase", "timestamp", "n_workers", "default_n_workers",
    "compound_statuses", "status_as_of", "asked_at", "n_asked", "retry_at", "stuck", "unmatched", "exit_codes",
    "all_bad", "top_task_errors", "ended_at", "task_index",
)  # fmt: skip

_stalled = fresh_gauge(
    "wms_workflows_stalled", "Live workflows whose work waits in vain, or whose every event has failed.", ["cause"]
)
_watched = fresh_gauge("wms_workflows_watched", "Live workflows that the last look for stalled ones went through.")


class StallWatch:
    """The loop that looks for stalled workflows. Its memory may get lost: users then learn of a stall some seconds
    later.
    """

    def __init__(
        self,
        store: Store,
        mqs: Asks,
        locations: LocationMap,
        read_settings: ReadSettings = FleetSettings,
        *,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._store = store
        self._mqs = mqs
        self._locations = locations
        self._read_settings = read_settings
        self._clock = clock
        self._failures = FailureLook(store, mqs)
        self._doubts: Doubts = {}
        #: Live workflow -> task -> its input queues, which never change.
        self._inputs: dict[str, dict[str, list[str]]] = {}
        #: Workflow -> when MQS was last asked about its queues.
        self._asked_s: dict[str, float] = {}
        self._causes: set[str] = set()
        self._loop = BackgroundLoop(
            self._look_again,
            name="stall watch",
            failed="the look for stalled workflows failed",
            back_off=lambda _: LOOK_INTERVAL_S,
            level="info",
        )

    async def start(self) -> None:
        """Begin to look."""
        self._loop.start()

    async def stop(self) -> None:
        """Stop looking."""
        await self._loop.stop()

    async def _look_again(self) -> float:
        """Check all workflows once. Return the pause in seconds before the next check."""
        began_s = time.monotonic()
        await self.look_once()
        return max(LOOK_INTERVAL_S, min(_LONGEST_PAUSE_S, _TIMES_THE_LOOK * (time.monotonic() - began_s)))

    async def look_once(self) -> None:
        """Check every live workflow once, and write the findings that have changed.

        Raises:
            Unavailable: the database does not answer.
        """
        workflows = await self._store.find(WORKFLOWS, repository.LIVE, projection=dict.fromkeys(_WORKFLOW, 1))
        seen: list[WorkflowSight] = []
        for start in range(0, len(workflows), _PAGE):
            seen += await self._read_workflows(workflows[start : start + _PAGE])
        now = self._clock()
        backlogs, unseen = await self._ask_mqs(self._choose_queues(seen, now))
        stored = {workflow["_id"]: workflow.get("stalled") for workflow in workflows}
        failed = await self._failures.find_failed(seen, backlogs, stored)
        found: dict[str, Sequence[Obstacle]] = {}
        for one in seen:
            if unseen or not one.has_queues or _can_judge(one, backlogs):
                obstacles = find_obstacles(replace(one, backlogs=backlogs, unseen=unseen), now)
                if not obstacles and one.workflow_id in failed:
                    obstacles = [failed[one.workflow_id]]
                found[one.workflow_id] = obstacles
        orders = {one.workflow_id: one.n_letter_orders for one in seen}
        await self._write_stalls(stored, orders, found, now)
        _watched.set_value(len(workflows))

    async def _read_workflows(self, workflows: Sequence[Document]) -> list[WorkflowSight]:
        ids = [workflow["_id"] for workflow in workflows]
        taskforces = await self._store.find(
            TASKFORCES,
            {"workflow_id": {"$in": ids}},
            projection={**dict.fromkeys(_TASKFORCE, 1), "phase_change_log": {"$slice": -1}},
        )
        await self._learn_inputs([workflow_id for workflow_id in ids if workflow_id not in self._inputs])
        settings = self._read_settings()
        crews: dict[str, list[Any]] = {}
        for taskforce in taskforces:
            schedd = taskforce["schedd"]
            crew = read_crew(taskforce, self._locations.find_port(schedd), settings.find_drain(schedd))
            crews.setdefault(taskforce["workflow_id"], []).append(crew)
        return [
            WorkflowSight(
                workflow_id=workflow["_id"],
                requested_at=datetime.fromtimestamp(workflow["timestamp"], UTC),
                has_queues=workflow.get("queues_active_at") is not None,
                has_closed_inputs=workflow.get("inputs_closed_at") is not None,
                deferred=workflow.get("queues_deferred") or "",
                inputs=self._inputs.get(workflow["_id"], {}),
                crews=crews.get(workflow["_id"], []),
                backlogs={},
                n_letter_orders=workflow.get("n_letter_orders", 0),
            )
            for workflow in workflows
        ]

    async def _learn_inputs(self, workflow_ids: Sequence[str]) -> None:
        if not workflow_ids:
            return
        tasks = await self._store.find(
            TASK_DIRECTIVES,
            {"workflow_id": {"$in": list(workflow_ids)}},
            projection={"workflow_id": 1, "task_id": 1, "input_queues": 1},
        )
        for task in tasks:
            self._inputs.setdefault(task["workflow_id"], {})[task["task_id"]] = task["input_queues"]

    def _choose_queues(self, seen: Iterable[WorkflowSight], now: datetime) -> list[Mqid]:
        """Return the queues to ask MQS about: first those of suspects, then those that were not asked about for the
        longest time.
        """
        live = [one for one in seen if one.has_queues and any(one.inputs.values())]
        live.sort(key=lambda one: (not is_suspect(one, now), self._asked_s.get(one.workflow_id, 0.0)))
        chosen: list[Mqid] = []
        for one in live:
            mqids = [Mqid(mqid) for mqids in one.inputs.values() for mqid in mqids]
            if len(chosen) + len(mqids) > MAX_BACKLOGS and chosen:
                break
            chosen += mqids[:MAX_BACKLOGS]
            self._asked_s[one.workflow_id] = time.monotonic()
        return list(dict.fromkeys(chosen))

    async def _ask_mqs(self, mqids: Sequence[Mqid]) -> tuple[Mapping[str, QueueLoad], str]:
        """Return the load of each queue (empty if the queue does not exist) and "".

        If MQS cannot count the queues, return no loads and the reason.
        """
        if not mqids:
            return {}, ""
        try:
            match await self._mqs.ask(BacklogsQuery(mqids=list(mqids))):
                case BacklogsAnswer(queues=queues):
                    counts = {mqid: QueueLoad(**queues[mqid].model_dump()) for mqid in queues}
                    return {mqid: counts.get(mqid, QueueLoad()) for mqid in mqids}, ""
                case other:
                    raise Broken(f"MQS answered {other.kind} to a question about backlogs")
        except Unavailable as error:
            return {}, error.reason
        except EWMSError as error:
            # An older MQS does not know the question.
            log.warning("MQS does not report the load of queues", reason=error.reason)
            return {}, ""

    async def _write_stalls(
        self,
        stored: Mapping[str, Document | None],
        orders: Mapping[str, int],
        found: Mapping[str, Sequence[Obstacle]],
        now: datetime,
    ) -> None:
        """Store the stalls that have changed. `orders` are the numbers of orders that this look knows; after a further
        order its finding is out of date, so it writes nothing for that workflow.
        """
        self._doubts, lasting = judge_obstacles({**self._doubts, **recall_doubts(stored, self._doubts)}, found, now)
        changed: list[tuple[Document, Document]] = []
        counts: Counter[str] = Counter()
        for workflow_id, before in stored.items():
            after = before
            if (obstacles := lasting.get(workflow_id)) is not None:
                after = make_stall(before, obstacles, self._find_first_seen(workflow_id, obstacles, now))
            counts.update({cause["cause"] for cause in after["causes"]} if after else ())
            if after != before:
                changed.append((select_known_orders(workflow_id, orders[workflow_id]), {"$set": {"stalled": after}}))
            if bool(after) != bool(before):
                causes = [cause["text"] for cause in (after or before or {"causes": []})["causes"]]
                log.info("workflow stalled" if after else "workflow goes on", workflow_id=workflow_id, causes=causes)
        await self._store.bulk_update(WORKFLOWS, changed)
        self._causes |= counts.keys()
        _stalled.replace_values({(cause,): counts[cause] for cause in self._causes})
        self._forget_ended(stored.keys())

    def _find_first_seen(self, workflow_id: str, obstacles: Sequence[Obstacle], now: datetime) -> datetime:
        """Return when the first of `obstacles` was seen, to the millisecond, as MongoDB stores times."""
        since = min((self._doubts[workflow_id, one.task_id, one.kind] for one in obstacles), default=now)
        return since.replace(microsecond=since.microsecond // 1000 * 1000)

    def _forget_ended(self, live: Iterable[str]) -> None:
        """Forget all workflows that are not in `live`."""
        kept = set(live)
        self._doubts = {key: since for key, since in self._doubts.items() if key[0] in kept}
        memories: tuple[MutableMapping[str, Any], ...] = (self._inputs, self._asked_s)
        for memory in memories:
            for workflow_id in memory.keys() - kept:
                del memory[workflow_id]


def _can_judge(one: WorkflowSight, backlogs: Mapping[str, QueueLoad]) -> bool:
    """Return whether this look can judge a workflow: some of its input queues were counted, or it has none."""
    mqids = [mqid for mqids in one.inputs.values() for mqid in mqids]
    return not mqids or any(mqid in backlogs for mqid in mqids)
