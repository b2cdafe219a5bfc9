"""Ask MQS about workflows whose every event may have failed, a few each time. `failed_runs` decides."""

import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from runtime.bus.questions import Asks
from runtime.kernel.decision import Document
from runtime.kernel.store import Store
from schemas.errors import EWMSError
from schemas.fleet.documents import TASK_DIRECTIVES
from schemas.ids import WorkflowId
from wms.fleet.stalls.depth_questions import ask_depths
from wms.fleet.stalls.failed_runs import choose_runs, has_counted, judge_failed_run, may_have_failed
from wms.fleet.stalls.stalling import Obstacle, QueueLoad, WorkflowSight
from wms.fleet.stalls.stored_stalls import recall_failed_run

#: About how many workflows one look asks. Each costs MQS two calls of the broker's management API.
_MOST_ASKED = 5


@dataclass(frozen=True, slots=True)
class Joins:
    """The queues of one stored task."""

    input_queues: list[str]
    output_queues: list[str]


class FailureLook:
    """Finds workflows whose every event has failed. It keeps the verdict on a workflow until it asks MQS about it
    again, or until a user orders something about the dead letters: then the stored verdict counts.
    """

    def __init__(self, store: Store, mqs: Asks) -> None:
        self._store = store
        self._mqs = mqs
        self._asked_s: dict[str, float] = {}
        self._verdicts: dict[str, Obstacle] = {}
        #: Workflow -> how many orders about its dead letters the last look knew.
        self._n_orders: dict[str, int] = {}

    async def find_failed(
        self, seen: Iterable[WorkflowSight], backlogs: Mapping[str, QueueLoad], stored: Mapping[str, Document | None]
    ) -> dict[str, Obstacle]:
        """Return the obstacle of each workflow in `seen` whose every event has failed, by the workflow's id. `stored`
        are the stalls of workflows as they are stored; None: not stalled.

        Raises:
            Unavailable: the database does not answer.
        """
        seen = list(seen)
        stalled = {workflow_id for workflow_id, stall in stored.items() if stall}
        self._notice_orders(seen, stored)
        open_ones = [one for one in seen if may_have_failed(one, backlogs)]
        # A look does not count the queues of all workflows, so the others keep their verdict.
        uncounted = {one.workflow_id for one in seen if not has_counted(one, backlogs)}
        self._keep_only(uncounted | {one.workflow_id for one in open_ones})
        asked = choose_runs(open_ones, self._asked_s, stalled, _MOST_ASKED)
        tasks = await read_joins(self._store, [one.workflow_id for one in asked])
        for one in asked:
            self._asked_s[one.workflow_id] = time.monotonic()
            try:
                depths = await ask_depths(self._mqs, WorkflowId(one.workflow_id))
            except EWMSError:
                # MQS or the broker is away. The verdict stays, and a later look asks again.
                continue
            verdict = judge_failed_run(
                one.workflow_id,
                tasks.get(one.workflow_id, []),
                depths,
                has_closed_inputs=one.has_closed_inputs,
                was_stalled=one.workflow_id in stalled,
            )
            self._verdicts.pop(one.workflow_id, None)
            if verdict is not None:
                self._verdicts[one.workflow_id] = verdict
        return dict(self._verdicts)

    def _notice_orders(self, seen: Iterable[WorkflowSight], stored: Mapping[str, Document | None]) -> None:
        """Replace the verdicts on workflows about whose dead letters a user has given an order since the last look."""
        before, self._n_orders = self._n_orders, {one.workflow_id: one.n_letter_orders for one in seen}
        for workflow_id, n in self._n_orders.items():
            if before.get(workflow_id) == n:
                continue
            self._asked_s.pop(workflow_id, None)
            self._verdicts.pop(workflow_id, None)
            if (verdict := recall_failed_run(stored.get(workflow_id))) is not None:
                self._verdicts[workflow_id] = verdict

    def _keep_only(self, workflow_ids: Collection[str]) -> None:
        """Forget all workflows but `workflow_ids`: the others have events under way, or have ended."""
        memories: tuple[dict[str, Any], ...] = (self._asked_s, self._verdicts)
        for memory in memories:
            for workflow_id in memory.keys() - set(workflow_ids):
                del memory[workflow_id]


async def read_joins(store: Store, workflow_ids: Collection[str]) -> dict[str, list[Joins]]:
    """Return the queues of each task of the workflows, by the workflow's id.

    Raises:
        Unavailable: the database does not answer.
    """
    if not workflow_ids:
        return {}
    found: list[Document] = await store.find(
        TASK_DIRECTIVES,
        {"workflow_id": {"$in": list(workflow_ids)}},
        projection={"workflow_id": 1, "input_queues": 1, "output_queues": 1},
    )
    tasks: dict[str, list[Joins]] = {}
    for task in found:
        tasks.setdefault(task["workflow_id"], []).append(Joins(task["input_queues"], task["output_queues"]))
    return tasks
