"""Launch templates when their schedules are due.

    wake_at has come ──► decide ──► one transaction: the run, and the schedule with its next `wake_at`
                                └─► refused: the schedule notes why, and goes on to the next occurrence

Several WMS processes may wake the same schedule. The `rev` of the schedule lets one of them commit, and the run's uuid
comes from schedule and occurrence. So an occurrence has one run, even if processes are killed at any moment.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

from runtime.clock import stored_now
from runtime.failpoints import failpoint
from runtime.kernel.decision import Change
from runtime.kernel.store import Store, Transaction
from runtime.kernel.timers import Timers
from runtime.telemetry import log
from schemas.automation.schedules import SCHEDULES, DecidedOccurrence, Identity, ScheduleDocument
from schemas.automation.trees import TemplateDocument
from schemas.engine.run_documents import RunDocument
from schemas.engine.runs import Occurrence
from schemas.errors import Forbidden, Rejected
from schemas.ids import RunId, ScheduleId
from wms.encryption import SecretKeys
from wms.schedules.due import DueOccurrence, decide_due, explain_skip
from wms.schedules.rule_text import read_recurrence
from wms.schedules.schedule_fields import check_values
from wms.schedules.schedule_store import ScheduleStore, check_current, make_update
from wms.tenancy.rights import Principal
from wms.trees.inputs.launch_values import spell_prompts
from wms.trees.jobs.tree_runs import TreeLaunch, TreeRuns
from wms.trees.templates.template_store import TemplateStore

#: Returns who somebody is now, with all roles.
RecallsPrincipal = Callable[[Identity], Awaitable[Principal]]


class ScheduleRunner:
    """The loop that launches what the schedules of one database say."""

    def __init__(
        self,
        store: Store,
        schedules: ScheduleStore,
        templates: TemplateStore,
        runs: TreeRuns,
        recall_principal: RecallsPrincipal,
        *,
        keys: SecretKeys,
    ) -> None:
        self._keys = keys
        self._schedules = schedules
        self._templates = templates
        self._runs = runs
        self._recall_principal = recall_principal
        self._timers = Timers(store, SCHEDULES, self.wake_schedule)

    def start(self) -> None:
        """Begin to wake schedules. The first ones became due while no WMS ran."""
        self._timers.start()

    async def stop(self) -> None:
        """Stop waking schedules. Return when the running decisions have ended."""
        await self._timers.stop()

    async def wake_schedule(self, schedule_id: ScheduleId) -> None:
        """Do what is due for a schedule now.

        Raises:
            Conflict: another process, or a person, has changed the schedule meanwhile.
        """
        schedule = await self._schedules.find_schedule(schedule_id)
        if schedule is None or schedule.wake_at is None:
            return
        template = await self._templates.find_template(schedule.template)
        if template is None:
            # It was deleted while somebody made this schedule.
            await self._schedules.delete_schedule(schedule_id)
            return
        try:
            due = await asyncio.to_thread(_decide, schedule)
        except Rejected as fault:
            # A rule may become too costly later, for instance when an EXRULE begins to cover it.
            await self._note_refusal(schedule, DueOccurrence(schedule.wake_at, 0, None), fault.reason)
            return
        if due.at is None:
            if due.next_at != schedule.wake_at:
                await self._schedules.write_if_current(schedule.model_copy(update={"wake_at": due.next_at}))
            return
        failpoint("schedules.decided")
        running = await self._schedules.find_running(schedule.id, but_for=due.at) if schedule.skip_if_running else None
        if why := explain_skip(due, deadline_s=schedule.start_deadline_s, running=running):
            await self._note_refusal(schedule, due, why, is_skipped=True)
            return
        try:
            await self._launch(schedule, template, due)
        except Forbidden as refusal:
            why = f"{schedule.owner.subject} made this schedule and may not launch the template now: {refusal.hint}"
            await self._note_refusal(schedule, due, why)
        except Rejected as refusal:
            await self._note_refusal(schedule, due, refusal.reason)

    async def _launch(self, schedule: ScheduleDocument, template: TemplateDocument, due: DueOccurrence) -> None:
        """Launch the template for an occurrence. The run and the changed schedule are stored together.

        Raises:
            Rejected: the owner may not launch, or the template does not take what the schedule gives.
            Conflict: the schedule has changed meanwhile.
        """
        assert due.at is not None
        principal = await self._recall_principal(schedule.owner)
        values = self._keys.unseal_values(schedule.extra_data, schedule.masked)
        check_values(schedule, template, values)
        occurrence = Occurrence(schedule=schedule.id, name=schedule.name, at=due.at, skipped=due.n_skipped)

        async def note_run(tx: Transaction, run: RunDocument) -> tuple[Change, ...]:
            await check_current(tx, schedule)
            return (make_update(_note_decided(schedule, due, run=run.id)),)

        launch = TreeLaunch(extra_vars=values, prompts=spell_prompts(schedule.prompts), occurrence=occurrence)
        run, _ = await self._runs.launch(principal, schedule.template, launch, also=note_run)
        failpoint("schedules.launched")
        # If the occurrence had its run before, the launch has stored nothing.
        await self._schedules.write_if_current(_note_decided(schedule, due, run=run.id))

    async def _note_refusal(
        self, schedule: ScheduleDocument, due: DueOccurrence, why: str, *, is_skipped: bool = False
    ) -> None:
        noted = _note_decided(schedule, due, refusal=why, is_skipped=is_skipped)
        if await self._schedules.write_if_current(noted):
            log.warning("a schedule did not launch", schedule=schedule.id, reason=why)


def _decide(schedule: ScheduleDocument) -> DueOccurrence:
    deadline_s = schedule.start_deadline_s
    deadline = None if deadline_s is None else timedelta(seconds=deadline_s)
    return decide_due(read_recurrence(schedule.rrule), schedule.decided_until, stored_now(), deadline=deadline)


def _note_decided(
    schedule: ScheduleDocument,
    due: DueOccurrence,
    *,
    run: RunId | None = None,
    refusal: str = "",
    is_skipped: bool = False,
) -> ScheduleDocument:
    """Return a schedule in which everything up to the occurrence is decided."""
    assert due.at is not None
    last = DecidedOccurrence(at=due.at, skipped=due.n_skipped, run=run, refusal=refusal, is_skipped=is_skipped)
    return schedule.model_copy(
        update={
            "decided_until": due.at,
            "wake_at": due.next_at,
            "last": last,
            "skipped": schedule.skipped + due.n_skipped + is_skipped,
        }
    )
