"""Ask MQS about workflows whose every event may have failed, a few each time. `failed_runs` decides."""

import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from runtime.bus.questions import Asks
from runtime.kernel.decision import Document
from runtime.kernel.store import Store
from schemas.documents import TASK_DIRECTIVES
from schemas.errors import EWMSError
from schemas.ids import WorkflowId
from wms.fleet.depth_questions import ask_depths
from wms.fleet.stalls.failed_runs import choose_runs, has_counted, judge_failed_run, may_have_failed
from wms.fleet.stalls.stalling import Obstacle, QueueLoad, WorkflowSight

#: About how many workflows one look asks. Each costs MQS two calls of the broker's management API.
_MOST_ASKED = 5


@dataclass(frozen=True, slots=True)
class _Joins:
    """The queues of one stored task."""

    input_queues: list[str]
    output_queues: list[str]


class FailureLook:
    """Finds workflows whose every event has failed. It keeps the verdict on a workflow until it asks MQS about it
    again.
    """

    def __init__(self, store: Store, mqs: Asks) -> None:
        self._store = store
        self._mqs = mqs
        self._asked_s: dict[str, float] = {}
        self._verdicts: dict[str, Obstacle] = {}

    async def find_failed(
        self, seen: Iterable[WorkflowSight], backlogs: Mapping[str, QueueLoad], stalled: Collection[str]
    ) -> dict[str, Obstacle]:
        """Return the obstacle of each workflow in `seen` whose every event has failed, by the workflow's id. `stalled`
        are the ids of the stalled workflows.

        Raises:
            Unavailable: the database does not answer.
        """
        seen = list(seen)
        open_ones = [one for one in seen if may_have_failed(one, backlogs)]
        # A look does not count the queues of all workflows, so the others keep their verdict.
        uncounted = {one.workflow_id for one in seen if not has_counted(one, backlogs)}
        self._keep_only(uncounted | {one.workflow_id for one in open_ones})
        asked = choose_runs(open_ones, self._asked_s, stalled, _MOST_ASKED)
        tasks = await self._read_tasks([one.workflow_id for one in asked])
        for one in asked:
            self._asked_s[one.workflow_id] = time.monotonic()
            try:
                depths = await ask_depths(self._mqs, WorkflowId(one.workflow_id))
            except EWMSError:
                # MQS or the broker is away. The verdict stays, and a later look asks again.
                continue
            verdict = judge_failed_run(
                one, tasks.get(one.workflow_id, []), depths, was_stalled=one.workflow_id in stalled
            )
            self._verdicts.pop(one.workflow_id, None)
            if verdict is not None:
                self._verdicts[one.workflow_id] = verdict
        return dict(self._verdicts)

    def _keep_only(self, workflow_ids: Collection[str]) -> None:
        """Forget all workflows but `workflow_ids`: the others have events under way, or have ended."""
        memories: tuple[dict[str, Any], ...] = (self._asked_s, self._verdicts)
        for memory in memories:
            for workflow_id in memory.keys() - set(workflow_ids):
                del memory[workflow_id]

    async def _read_tasks(self, workflow_ids: Collection[str]) -> dict[str, list[_Joins]]:
        if not workflow_ids:
            return {}
        found: list[Document] = await self._store.find(
            TASK_DIRECTIVES,
            {"workflow_id": {"$in": list(workflow_ids)}},
            projection={"workflow_id": 1, "input_queues": 1, "output_queues": 1},
        )
        tasks: dict[str, list[_Joins]] = {}
        for task in found:
            tasks.setdefault(task["workflow_id"], []).append(_Joins(task["input_queues"], task["output_queues"]))
        return tasks
