"""Random interleavings with TMSs that ask for their work over REST, and confirm anything in any order, at any time."""

from dataclasses import replace
from datetime import datetime, timedelta

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from schemas.errors import Rejected
from schemas.events import (
    QueuesActivated,
    QueuesDeferred,
    TaskforceCompleted,
    TaskforceRemoved,
    TaskforceRemoveFailed,
    TaskforceSubmitFailed,
    TaskforceSubmitted,
    WorkflowOver,
)
from schemas.fleet.documents import TaskforceDocument
from schemas.fleet.phases import Deactivated, Phase, may_move
from schemas.ids import TaskforceUuid
from tests.unit.wms.fleets import NOW, POLLING, aggregate, decide
from wms.fleet.choices.locations import Location
from wms.fleet.choices.policy import MAX_FAILURES
from wms.fleet.id_source import IdSource
from wms.fleet.life.aggregate import Aggregate, FleetDecision
from wms.fleet.life.conditions import is_offered_stop, is_over
from wms.fleet.life.stimuli import AddWorkers, Deactivate, Launch, Report, Stimulus, Woken

NTH = st.integers(0, 3)


class RestInterleaving(RuleBasedStateMachine):
    """One workflow at two schedds that ask by themselves. Whoever confirms names no cluster but at the submit."""

    def __init__(self) -> None:
        super().__init__()
        self.state = aggregate()
        self.now: datetime = NOW
        self.n_over = 0
        self.n_stimuli = 0

    @rule(seconds=st.sampled_from([0, 1, 31, 700]))
    def time_passes(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    @rule(label=st.sampled_from(list(Deactivated)))
    @precondition(lambda self: self.n_stimuli > 8)
    def user_ends_it(self, label: Deactivated) -> None:
        self.apply(Deactivate(label))

    @rule(schedd=st.sampled_from(["S1", "S2"]), n=st.integers(0, 255))
    @precondition(lambda self: len(self.state.taskforces) < 3)
    def workers_are_added(self, schedd: str, n: int) -> None:
        self.apply(
            AddWorkers(
                task=next(iter(self.state.tasks.values())),
                location=Location(schedd=schedd),
                n_workers=None,
                by="TMS",
                mint=IdSource(bytes([n, self.n_stimuli % 256]), self.now),
            )
        )

    @rule(activated=st.booleans())
    def mqs_answers(self, activated: bool) -> None:
        workflow_id = self.state.workflow.workflow_id
        if activated:
            self.apply(QueuesActivated(workflow_id=workflow_id))
        else:
            self.apply(QueuesDeferred(workflow_id=workflow_id, reason="full"))

    @rule(nth=NTH)
    def launcher_picks(self, nth: int) -> None:
        self.apply(Launch(self.taskforce(nth).taskforce_uuid))

    @rule()
    def timer_wakes(self) -> None:
        self.apply(Woken())

    @rule(nth=NTH, cluster_id=st.sampled_from([1, 1, 2]))
    def it_was_submitted(self, nth: int, cluster_id: int) -> None:
        before = self.taskforce(nth)
        outcome = self.apply(submitted(before, cluster_id))
        assert outcome is not None
        accepted = outcome.answer is not False
        assert accepted == (before.phase is Phase.PENDING_STARTER)
        after = outcome.after.taskforces[before.taskforce_uuid]
        if accepted:
            assert (after.phase, after.cluster_id) == (Phase.CONDOR_SUBMIT, cluster_id)
        elif before.phase is Phase.PENDING_STOPPER and before.cluster_id is None:
            assert is_offered_stop(after, self.now), "the cluster that nobody wants is given back to be removed"
        else:
            assert after == before

    @rule(nth=NTH)
    def it_could_not_be_submitted(self, nth: int) -> None:
        before = self.taskforce(nth)
        outcome = self.apply(TaskforceSubmitFailed(taskforce_uuid=before.taskforce_uuid, error="no"))
        assert outcome is not None
        assert (outcome.answer is not False) == (before.phase is Phase.PENDING_STARTER)
        after = outcome.after.taskforces[before.taskforce_uuid]
        if before.phase is Phase.PENDING_STARTER:
            assert after.n_submit_failures == min(before.n_submit_failures + 1, MAX_FAILURES)
            assert bool(after.stuck) == (after.n_submit_failures == MAX_FAILURES), "hidden is told"

    @rule(nth=NTH)
    def it_was_removed(self, nth: int) -> None:
        self.apply(removed(self.taskforce(nth)))
        self.changes_nothing(removed(self.taskforce(nth)))

    @rule(nth=NTH)
    def it_could_not_be_removed(self, nth: int) -> None:
        before = self.taskforce(nth)
        self.apply(TaskforceRemoveFailed(taskforce_uuid=before.taskforce_uuid, error="no"))
        if is_offered_stop(before, self.now) and before.n_remove_failures + 1 < MAX_FAILURES:
            assert is_offered_stop(self.taskforce(nth), self.now), "given again at once"

    @rule(nth=NTH)
    def it_completed(self, nth: int) -> None:
        self.apply(completed(self.taskforce(nth), self.now))
        self.changes_nothing(completed(self.taskforce(nth), self.now))

    # ---- what each step must satisfy

    def taskforce(self, nth: int) -> TaskforceDocument:
        return list(self.state.taskforces.values())[nth % len(self.state.taskforces)]

    def apply(self, stimulus: Stimulus) -> FleetDecision | None:
        before = self.state
        self.n_stimuli += 1
        try:
            outcome = decide(before, stimulus, self.now, POLLING)
        except Rejected:
            return None
        for uuid, new in outcome.after.taskforces.items():
            self.check(before.taskforces.get(uuid), new)
        if isinstance(stimulus, Report):
            self.check_part(before, stimulus, outcome)
        self.n_over += sum(
            isinstance(event, WorkflowOver) and not isinstance(stimulus, QueuesActivated) for event in outcome.events
        )
        self.state = outcome.after
        return outcome

    def check(self, old: TaskforceDocument | None, new: TaskforceDocument) -> None:
        if old is None:
            assert new.phase is Phase.PRE_MQ_ACTIVATION
            return
        assert new.phase is old.phase or may_move(old.phase, new.phase)
        lines = new.phase_change_log[len(old.phase_change_log) :]
        assert new.phase_change_log[: len(old.phase_change_log)] == old.phase_change_log
        assert [line.target_phase for line in lines if line.was_successful] == (
            [] if new.phase is old.phase else [new.phase]
        )
        assert old.cluster_id in (None, new.cluster_id), "the first cluster that was recorded stays"
        assert not is_over(old) or is_over(new)

    def check_part(self, before: Aggregate, report: Report, outcome: FleetDecision) -> None:
        uuid: TaskforceUuid = report.taskforce_uuid
        others_open = not all(is_over(t) for u, t in before.taskforces.items() if u != uuid)
        part = replace(before, taskforces={uuid: before.taskforces[uuid]}, others_open=others_open)
        alone = decide(part, report, self.now, POLLING)
        assert alone.after.taskforces[uuid] == outcome.after.taskforces[uuid]
        assert (alone.events, alone.answer) == (outcome.events, outcome.answer)

    def changes_nothing(self, stimulus: Stimulus) -> None:
        assert decide(self.state, stimulus, self.now, POLLING).after == self.state

    # ---- what must hold at every moment

    @invariant()
    def nothing_is_awaited_of_who_is_told_nothing(self) -> None:
        assert all(t.asked_at is None and t.n_asked == 0 for t in self.state.taskforces.values())

    @invariant()
    def the_end_is_told_exactly_once(self) -> None:
        ended = self.state.workflow.deactivated is not None and all(map(is_over, self.state.taskforces.values()))
        assert (self.n_over, self.state.workflow.over_at is not None) == (int(ended), ended)

    @invariant()
    def nobody_is_woken_for_nothing(self) -> None:
        due = self.state.workflow.wake_at
        if due is not None and due <= self.now:
            woken = decide(self.state, Woken(), self.now, POLLING).after
            assert woken.workflow.wake_at is None or woken.workflow.wake_at > self.now

    @invariant()
    def a_log_is_bounded(self) -> None:
        # A line for each phase, for each failure of the submit, and of the removal before the user's end and after it.
        most = len(Phase) + 3 * MAX_FAILURES
        assert all(len(t.phase_change_log) <= most for t in self.state.taskforces.values())

    def teardown(self) -> None:
        """Whatever has happened, a TMS that does what it is given brings the workflow to its end."""
        if self.state.workflow.deactivated is None:
            self.apply(Deactivate(Deactivated.ABORTED))
        self.now += timedelta(hours=1)
        for nth in range(len(self.state.taskforces)):
            if is_offered_stop(self.taskforce(nth), self.now):
                self.apply(removed(self.taskforce(nth)))
            self.apply(completed(self.taskforce(nth), self.now))
            assert is_over(self.taskforce(nth))
            assert not is_offered_stop(self.taskforce(nth), self.now)
        self.the_end_is_told_exactly_once()


def submitted(taskforce: TaskforceDocument, cluster_id: int) -> TaskforceSubmitted:
    return TaskforceSubmitted(
        taskforce_uuid=taskforce.taskforce_uuid,
        schedd=taskforce.schedd,
        cluster_id=cluster_id,
        n_workers=5,
        submit_dict={},
        job_event_log_fpath="/jel",
    )


def removed(taskforce: TaskforceDocument) -> TaskforceRemoved:
    return TaskforceRemoved(taskforce_uuid=taskforce.taskforce_uuid, cluster_id=taskforce.cluster_id)


def completed(taskforce: TaskforceDocument, now: datetime) -> TaskforceCompleted:
    cluster_id = -1 if taskforce.cluster_id is None else taskforce.cluster_id
    return TaskforceCompleted(taskforce_uuid=taskforce.taskforce_uuid, cluster_id=cluster_id, completed_at=now)


TestRestInterleaving = RestInterleaving.TestCase
