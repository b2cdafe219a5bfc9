"""Judge again whether every event of a workflow has failed, after a user has replayed or discarded dead letters.

The verdict is stored with the workflow, so that users of every WMS process see the new one at once. The stall watches
of these processes learn from `n_letter_orders` that theirs is out of date.
"""

from runtime.bus.questions import Asks
from runtime.clock import utc_now
from runtime.kernel.store import Store
from runtime.telemetry import log
from schemas.errors import EWMSError
from schemas.fleet.documents import WORKFLOWS
from schemas.ids import WorkflowId
from wms.fleet.stalls.depth_questions import ask_depths
from wms.fleet.stalls.failed_runs import judge_failed_run
from wms.fleet.stalls.failure_look import read_joins
from wms.fleet.stalls.stalling import Obstacle
from wms.fleet.stalls.stored_stalls import make_stall, recall_failed_run, select_failed_run


class VerdictRenewal:
    """Renews stored verdicts, of workflows in one store."""

    def __init__(self, store: Store, mqs: Asks) -> None:
        self._store = store
        self._mqs = mqs

    async def renew_verdict(self, workflow_id: WorkflowId) -> None:
        """Store whether every event of the workflow has failed now. If MQS does not answer, store that it is unknown.

        If the database does not answer, the next look of a stall watch renews the verdict.
        """
        try:
            # Count the order first: from then on, no look that began before the order writes its finding.
            await self._store.bulk_update(WORKFLOWS, [({"_id": workflow_id}, {"$inc": {"n_letter_orders": 1}})])
            fields = {"stalled": 1, "inputs_closed_at": 1}
            workflow = await self._store.find_one(WORKFLOWS, {"_id": workflow_id}, projection=fields) or {}
            if recall_failed_run(stall := workflow.get("stalled")) is None:
                return
            verdict = await self._judge_again(
                workflow_id, has_closed_inputs=workflow.get("inputs_closed_at") is not None
            )
            after = make_stall(stall, [verdict] if verdict is not None else [], utc_now())
            await self._store.bulk_update(WORKFLOWS, [(select_failed_run(workflow_id), {"$set": {"stalled": after}})])
        except EWMSError as error:
            log.info("a verdict was not renewed after an order", workflow_id=workflow_id, reason=error.reason)

    async def _judge_again(self, workflow_id: WorkflowId, *, has_closed_inputs: bool) -> Obstacle | None:
        tasks = await read_joins(self._store, [workflow_id])
        try:
            depths = await ask_depths(self._mqs, workflow_id)
        except EWMSError:
            return None
        return judge_failed_run(
            workflow_id,
            tasks.get(workflow_id, []),
            depths,
            has_closed_inputs=has_closed_inputs,
            was_stalled=True,
        )
