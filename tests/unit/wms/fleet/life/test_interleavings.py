"""Random interleavings of user, MQS, TMS, launcher and clock, with duplicates: what must hold of every one of them."""

from datetime import datetime, timedelta

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from schemas.errors import Rejected
from schemas.events import (
    QueuesActivated,
    QueuesDeferred,
    TaskforceCompleted,
    TaskforceRelease,
    TaskforceRemove,
    TaskforceRemoved,
    TaskforceRemoveFailed,
    TaskforceStart,
    TaskforceStop,
    TaskforceSubmitFailed,
    TaskforceSubmitted,
    WorkflowOver,
)
from schemas.fleet.phases import WANTED, Deactivated, Phase, may_move
from schemas.ids import TaskforceUuid
from tests.unit.wms.fleets import NOW, aggregate, decide
from wms.fleet.choices.locations import Location
from wms.fleet.id_source import IdSource
from wms.fleet.life.aggregate import Aggregate, FleetDecision
from wms.fleet.life.conditions import is_over
from wms.fleet.life.stimuli import AddWorkers, Deactivate, EndDrained, EndLost, Launch, Report, Stimulus, Woken

#: Mostly the same cluster, or nothing would ever get to its end.
CLUSTERS = st.sampled_from([1, 1, 1, 1, 2])
NTH = st.integers(0, 3)


class Interleaving(RuleBasedStateMachine):
    """One workflow, and everybody who has a say in it, in any order and more than once."""

    def __init__(self) -> None:
        super().__init__()
        self.state = aggregate()
        self.now: datetime = NOW
        self.past: list[Stimulus] = []
        self.n_over = 0
        self.n_drains = 0
        self.released: dict[TaskforceUuid, set[int]] = {}
        self.recorded: dict[TaskforceUuid, int] = {}
        self.started: set[TaskforceUuid] = set()

    # ---- the actors

    @rule(seconds=st.sampled_from([0, 1, 31, 700]))
    def time_passes(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    @rule(label=st.sampled_from(list(Deactivated)))
    @precondition(lambda self: len(self.past) > 6)
    def user_ends_it(self, label: Deactivated) -> None:
        was = self.state.workflow.deactivated
        done = self.apply(Deactivate(label))
        assert done == (was is None), "the first ends it, no other does"

    @rule(schedd=st.sampled_from(["S1", "S2", "S3"]), n=st.integers(0, 255))
    @precondition(lambda self: len(self.state.taskforces) < 3)
    def workers_are_added(self, schedd: str, n: int) -> None:
        stimulus = AddWorkers(
            task=next(iter(self.state.tasks.values())),
            location=Location(schedd=schedd),
            n_workers=None,
            by="USER",
            mint=IdSource(bytes([n, len(self.past) % 256]), self.now),
        )
        assert self.apply(stimulus, remember=False) == (self.state.workflow.deactivated is None)

    @rule(schedd=st.sampled_from(["S1", "S2"]), ends_workers=st.booleans())
    @precondition(lambda self: len(self.state.taskforces) < 6)
    def operator_drains(self, schedd: str, ends_workers: bool) -> None:
        mint = IdSource(self.n_drains.to_bytes(4, "big"), self.now)
        self.n_drains += 1
        before = self.count_wanted()
        assert self.apply(EndDrained(schedd, "olga", ends_workers=ends_workers, mint=mint), remember=False)
        assert self.count_wanted() == before, "what a drain stops is replaced"

    @rule(schedd=st.sampled_from(["S1", "S2"]))
    def schedd_is_lost(self, schedd: str) -> None:
        self.apply(EndLost(schedd, "the location is lost"))
        assert all(is_over(one) for one in self.state.taskforces.values() if one.schedd == schedd)

    @rule()
    def queues_are_activated(self) -> None:
        self.apply(QueuesActivated(workflow_id=self.state.workflow.workflow_id))

    @rule(reason=st.sampled_from(["", "full", "fuller"]))
    def queues_are_deferred(self, reason: str) -> None:
        self.apply(QueuesDeferred(workflow_id=self.state.workflow.workflow_id, reason=reason))

    @rule(nth=NTH)
    def launcher_picks(self, nth: int) -> None:
        self.apply(Launch(self.uuid(nth)))

    @rule()
    def timer_wakes(self) -> None:
        self.apply(Woken())

    @rule(nth=NTH, cluster_id=CLUSTERS, schedd=st.sampled_from(["", "", "", "S9"]))
    def tms_submitted(self, nth: int, cluster_id: int, schedd: str) -> None:
        uuid = self.uuid(nth)
        self.apply(
            TaskforceSubmitted(
                taskforce_uuid=uuid,
                schedd=schedd or self.state.taskforces[uuid].schedd,
                cluster_id=cluster_id,
                n_workers=5,
                submit_dict={},
                job_event_log_fpath="/jel",
            )
        )

    @rule(nth=NTH)
    def tms_could_not_submit(self, nth: int) -> None:
        self.apply(TaskforceSubmitFailed(taskforce_uuid=self.uuid(nth), error="no"))

    @rule(nth=NTH, cluster_id=st.none() | CLUSTERS)
    def tms_removed(self, nth: int, cluster_id: int | None) -> None:
        self.apply(TaskforceRemoved(taskforce_uuid=self.uuid(nth), cluster_id=cluster_id))

    @rule(nth=NTH)
    def tms_could_not_remove(self, nth: int) -> None:
        self.apply(TaskforceRemoveFailed(taskforce_uuid=self.uuid(nth), error="no"))

    @rule(nth=NTH, cluster_id=CLUSTERS)
    def cluster_left_the_queue(self, nth: int, cluster_id: int) -> None:
        self.apply(TaskforceCompleted(taskforce_uuid=self.uuid(nth), cluster_id=cluster_id, completed_at=self.now))

    @rule(nth=st.integers(0, 10_000))
    @precondition(lambda self: self.past)
    def something_comes_again(self, nth: int) -> None:
        self.apply(self.past[nth % len(self.past)], remember=False)

    # ---- what each step must satisfy

    def count_wanted(self) -> int:
        return sum(taskforce.phase in WANTED for taskforce in self.state.taskforces.values())

    def uuid(self, nth: int) -> TaskforceUuid:
        return list(self.state.taskforces)[nth % len(self.state.taskforces)]

    def apply(self, stimulus: Stimulus, *, remember: bool = True) -> bool:
        """Decide, check, and go on with the outcome; say whether it was accepted."""
        before = self.state
        if remember:
            self.past.append(stimulus)
        try:
            outcome = decide(before, stimulus, self.now)
        except Rejected:
            return False
        self.check_moves(before, stimulus, outcome)
        self.check_events(before, stimulus, outcome)
        self.check_part(before, stimulus, outcome)
        self.state = outcome.after
        return True

    def check_moves(self, before: Aggregate, stimulus: Stimulus, outcome: FleetDecision) -> None:
        for uuid, new in outcome.after.taskforces.items():
            old = before.taskforces.get(uuid)
            if old is None:
                assert new.phase is Phase.PRE_MQ_ACTIVATION
                continue
            assert new.phase is old.phase or may_move(old.phase, new.phase)
            assert new.phase_change_log[: len(old.phase_change_log)] == old.phase_change_log, "append-only"
            lines = new.phase_change_log[len(old.phase_change_log) :]
            assert [line.target_phase for line in lines if line.was_successful] == (
                [] if new.phase is old.phase else [new.phase]
            )
            if new.phase is Phase.CONDOR_RM and old.phase is not Phase.CONDOR_RM:
                assert isinstance(stimulus, TaskforceRemoved)
                assert stimulus.cluster_id in (None, old.cluster_id), "another cluster's removal is not this one's"
            if is_over(old):
                assert is_over(new)
                assert new.phase is old.phase
            if old.cluster_id is not None:
                assert new.cluster_id == old.cluster_id, "the first cluster that was recorded stays"

    def check_events(self, before: Aggregate, stimulus: Stimulus, outcome: FleetDecision) -> None:
        for event in outcome.events:
            match event:
                case TaskforceRelease(taskforce_uuid=uuid, cluster_id=cluster_id):
                    taskforce = outcome.after.taskforces[uuid]
                    assert (taskforce.phase, taskforce.cluster_id) == (Phase.CONDOR_SUBMIT, cluster_id)
                    self.released.setdefault(uuid, set()).add(cluster_id)
                    assert len(self.released[uuid]) == 1, "at most one cluster ever runs"
                case TaskforceStart(taskforce_uuid=uuid):
                    unanswered = before.taskforces[uuid].asked_at is not None
                    assert isinstance(stimulus, Woken) == unanswered, "what is being asked is asked again by time only"
                    assert outcome.after.workflow.deactivated is None
                    assert outcome.after.taskforces[uuid].phase is Phase.PENDING_STARTER
                    self.started.add(uuid)
                case TaskforceStop(taskforce_uuid=uuid):
                    assert before.workflow.deactivated is not None or isinstance(
                        stimulus, Deactivate | EndDrained | EndLost | Woken
                    )
                    stops = (Phase.PENDING_STOPPER, Phase.CONDOR_RM)
                    assert outcome.after.taskforces[uuid].phase in stops or isinstance(stimulus, EndLost)
                case WorkflowOver():
                    # Told again only to who has not heard of it.
                    self.n_over += not (before.workflow.over_at and isinstance(stimulus, QueuesActivated))
                case _:
                    pass
        if isinstance(stimulus, TaskforceSubmitted):
            self.check_submitted(stimulus, outcome)
        if isinstance(stimulus, Deactivate):
            told = {event.taskforce_uuid for event in outcome.events if isinstance(event, TaskforceStop)}
            heard = {u for u in self.started if before.taskforces[u].phase in WANTED}
            assert told == heard, "every TMS that has heard of it is told to stop it"

    def check_submitted(self, report: TaskforceSubmitted, outcome: FleetDecision) -> None:
        (answer,) = outcome.events
        taskforce = outcome.after.taskforces[report.taskforce_uuid]
        if taskforce.cluster_id == report.cluster_id and taskforce.phase is Phase.CONDOR_SUBMIT:
            assert isinstance(answer, TaskforceRelease) or report.schedd != taskforce.schedd
        else:
            assert isinstance(answer, TaskforceRemove), "nothing that nobody wants is left alone"
            assert (answer.cluster_id, answer.schedd) == (report.cluster_id, report.schedd)

    def check_part(self, before: Aggregate, stimulus: Stimulus, outcome: FleetDecision) -> None:
        """A decision about one taskforce with the others left in the database comes to the same."""
        if not isinstance(stimulus, Report):
            return
        uuid = stimulus.taskforce_uuid
        others = [t for u, t in before.taskforces.items() if u != uuid]
        part = Aggregate(before.workflow, {uuid: before.taskforces[uuid]}, others_open=not all(map(is_over, others)))
        alone = decide(part, stimulus, self.now)
        assert alone.after.taskforces[uuid] == outcome.after.taskforces[uuid]
        assert alone.events == outcome.events
        whole, wake_at = outcome.after.workflow.wake_at, alone.after.workflow.wake_at
        assert whole is None or (wake_at is not None and wake_at <= whole), "never woken too late"

    # ---- what must hold at every moment

    @invariant()
    def the_end_is_told_exactly_once(self) -> None:
        ended = self.state.workflow.deactivated is not None and all(map(is_over, self.state.taskforces.values()))
        assert self.n_over == int(ended)
        assert (self.state.workflow.over_at is not None) == ended

    @invariant()
    def nothing_is_waited_for_without_a_time_to_look_again(self) -> None:
        for taskforce in self.state.taskforces.values():
            waits = taskforce.phase in (Phase.PENDING_STOPPER, Phase.CONDOR_RM) or taskforce.asked_at is not None
            if waits and not is_over(taskforce):
                assert self.state.workflow.wake_at is not None
        if self.state.workflow.deactivated is None and self.state.workflow.queues_active_at is None:
            assert self.state.workflow.wake_at is not None

    @invariant()
    def a_log_is_bounded(self) -> None:
        # Creation, deferral, four moves at most, a refused stop, three failures each way.
        assert all(len(t.phase_change_log) <= 14 for t in self.state.taskforces.values())


TestInterleaving = Interleaving.TestCase
