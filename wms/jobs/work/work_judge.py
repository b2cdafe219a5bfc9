"""End the node of a work when all of its hosts have ended, or when nothing can come any more.

    all hosts have ended                                    the node ends as they did
    the workflow is over, or no worker will ever come       hosts without a result are `error`
    the job is canceled or out of time, and its workflow    hosts that workers may have had are `error`: in doubt.
    is over                                                 The others are canceled, or `error`: no worker came

An outcome may be on its way: nothing can come any more only when the queue of outcomes is empty, and WMS consumes it or
it is gone.
"""

from collections.abc import Sequence

from runtime.failpoints import failpoint
from schemas.automation.jobs import JobDocument, JobWorkDocument
from schemas.engine.runs import NodeState, NodeStatus
from schemas.fleet.documents import TASKFORCES, TaskforceDocument, WorkflowDocument
from schemas.fleet.phases import Deactivated, Phase
from wms.engine.engine import Engine
from wms.engine.life.stimuli import ChildEnded
from wms.engine.nested.workflow_queues import WorkflowQueues
from wms.jobs.plans.fleet_requests import OUTCOMES
from wms.jobs.plans.host_choice import HostFacts
from wms.jobs.plans.judging import judge_node
from wms.jobs.plans.stopping import WorkStop, end_missing
from wms.jobs.plans.work_progress import (
    MissingResult,
    explain_lost_workers,
    find_doubtful,
    find_last_states,
    find_missing,
    make_error_result,
)
from wms.jobs.stored.job_store import JobStore
from wms.jobs.stored.work_store import WorkStore
from wms.jobs.work.work_intake import WorkIntake

#: No outcome is on its way when none has come for so long (seconds), and the queue is empty.
_QUIET_S = 3.0


class WorkJudge:
    """Judges the works of one database."""

    def __init__(self, engine: Engine, *, queues: WorkflowQueues, jobs: JobStore, works: WorkStore) -> None:
        self._engine = engine
        self._queues = queues
        self._jobs = jobs
        self._works = works

    async def judge_work(
        self,
        job: JobDocument,
        work: JobWorkDocument,
        workflow: WorkflowDocument | None,
        state: NodeState,
        *,
        intake: WorkIntake | None,
        stop: WorkStop | None,
    ) -> bool:
        """End the node of a work if the work is over; return whether it is.

        `stop` says why the work stops before all hosts have ended; None: it goes on. `intake` is None if the workflow
        has no queue of outcomes, or none any more.

        Raises:
            Unavailable: MQS does not answer.
        """
        missing = find_missing(await self._list_hosts(work), work.first, work.last)
        is_canceling = stop is not None and stop.is_cancel
        if is_canceling or missing:
            reason = await self._explain_silence(work, workflow, intake, stop=stop)
            if not reason:
                return False
            # Outcomes and hosts may have come meanwhile.
            work = await self._works.find_work(work.id) or work
            missing = find_missing(await self._list_hosts(work), work.first, work.last)
            await self._end_hosts(work, workflow, missing, reason, stop=stop)
        await self._jobs.settle_states(job.uuid, work.places, len(job.tasks))
        states = find_last_states(await self._list_hosts(work), work.first, work.last)
        outcome, explanation = judge_node(states, is_canceling=is_canceling)
        failpoint("jobs.judged")
        if state.status is NodeStatus.WAITING:
            ended = ChildEnded(work.node, work.attempt, outcome, explanation=explanation)
            await self._engine.apply_stimulus(work.run, ended)
        return True

    async def _end_hosts(
        self,
        work: JobWorkDocument,
        workflow: WorkflowDocument | None,
        missing: Sequence[MissingResult],
        reason: str,
        *,
        stop: WorkStop | None,
    ) -> None:
        if stop is None:
            await self._jobs.keep_results((each.host, each.task, make_error_result(reason)) for each in missing)
            return
        ordered = {"workflow_id": work.id, "phase_change_log.target_phase": Phase.PENDING_STARTER.value}
        # The taskforces of a workflow go with it, so their absence then proves nothing.
        had_workers = workflow is None or await self._jobs.store.count(TASKFORCES, ordered) > 0
        doubtful = find_doubtful(missing, work.job, work) if had_workers else []
        await self._jobs.keep_results(end_missing(stop, missing, doubtful))

    async def _list_hosts(self, work: JobWorkDocument) -> list[HostFacts]:
        return await self._jobs.list_facts_at(work.job, work.places)

    async def _explain_silence(
        self,
        work: JobWorkDocument,
        workflow: WorkflowDocument | None,
        intake: WorkIntake | None,
        *,
        stop: WorkStop | None,
    ) -> str:
        """Return why no outcome will come any more; "" if some may."""
        if workflow is None:
            return "its workflow is gone" if stop is None else stop.in_doubt
        reason = ""
        if stop is not None:
            reason = stop.in_doubt if workflow.over_at is not None else ""
        elif workflow.over_at is not None or workflow.completion is not None:
            aborted = f"somebody aborted the workflow {work.id}"
            lost = "no answer came: a worker was lost with it, so it is unknown whether the task has run"
            reason = aborted if workflow.deactivated is Deactivated.ABORTED else lost
        elif workflow.inputs_closed_at is not None and workflow.deactivated is None:
            found = await self._jobs.store.find(TASKFORCES, {"workflow_id": work.id})
            reason = explain_lost_workers([TaskforceDocument.model_validate(each) for each in found])
        return reason if reason and await self._is_drained(work, intake) else ""

    async def _is_drained(self, work: JobWorkDocument, intake: WorkIntake | None) -> bool:
        """Return whether no outcome waits for this process, or for another one."""
        if intake is None:
            return True
        if not intake.outcomes.is_active or intake.outcomes.quiet_s < _QUIET_S:
            return False
        return await self._queues.is_empty(work.id, OUTCOMES)
