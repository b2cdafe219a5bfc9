"""The laws of the pilot's life, under any order of stimuli: a model of broker and tasks drives the real decisions."""

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from pilot.failures.container_failures import container_not_started
from pilot.failures.event_failures import invalid_infile, output_refused
from pilot.failures.failure import Failure
from pilot.life.instructions import (
    ChirpCounters,
    ChirpStatus,
    CoolDown,
    Instruction,
    KillAll,
    LeaveProcess,
    Listen,
    PublishDeadLetter,
    PublishOutcome,
    PublishOutput,
    RunInit,
    Settle,
    Settlement,
    Start,
    StopListening,
    TakeOverDelivery,
    WarmUp,
)
from pilot.life.leaving import SETTLE_GRACE_S
from pilot.life.lifecycle import advance_life, begin_life, wake_at
from pilot.life.state import Policy, Stage
from pilot.life.stimuli import (
    CooledDown,
    EventArrived,
    HeldEvent,
    InitEnded,
    PilotBroken,
    PublishConfirmed,
    PublishRefused,
    RunEnded,
    Stimulus,
    StopAsked,
    SubscriptionLost,
    Tick,
)
from schemas.fleet.statuses import PilotStatus
from schemas.ids import EventId

QUEUES = ("qa", "qb")
FAILURES = (
    None,
    Failure("ContainerRunError", "task failed (exit code 1): x"),
    Failure("ContainerRunError", "task failed: [Timeout-Error] timed out after 1s", aka="TimeoutError"),
    invalid_infile("no"),
    container_not_started("task", "no program"),
)


class PilotModel(RuleBasedStateMachine):
    """What the broker, the tasks and the clock may do, and what the pilot must never do."""

    @initialize(
        concurrency=st.integers(1, 3),
        stop_on_error=st.booleans(),
        in_a_row=st.integers(0, 3),
        quarantine_s=st.sampled_from([0.0, 5.0]),
        has_init=st.booleans(),
        prefetch=st.sampled_from([None, 1, 6]),
        warm=st.booleans(),
        lives_s=st.sampled_from([None, 8.0, 90.0]),
        reports=st.sampled_from(["no", "outcomes", "at most once"]),
    )
    def start(
        self,
        concurrency: int,
        stop_on_error: bool,
        in_a_row: int,
        quarantine_s: float,
        has_init: bool,
        prefetch: int,
        warm: bool,
        lives_s: float | None,
        reports: str,
    ) -> None:
        self.now_s = 100.0
        self.next_key = 1
        self.policy = Policy(
            concurrency=concurrency,
            first_timeout_s=10,
            idle_timeout_s=3,
            drain_grace_s=4,
            reconnect_timeout_s=30,
            quarantine_s=quarantine_s,
            stop_on_error=stop_on_error,
            okay_errors=frozenset({"TimeoutError"}),
            max_failures_in_a_row=in_a_row,
            prefetch=concurrency if reports == "at most once" else prefetch,
            reports_outcomes=reports != "no",
            at_most_once=reports == "at most once",
            has_init=has_init,
            warm=warm,
            runtime_s=lives_s or 0.0,
            ends_s=None if lives_s is None else self.now_s + lives_s,
        )
        #: The broker's view: what every delivery became; None while it is on loan; "void" once its channel went.
        self.deliveries: dict[int, Settlement | str | None] = {}
        self.queue_of: dict[int, str] = {}
        self.event_of: dict[int, EventId] = {}
        #: The pilot's own view: run key -> the delivery that it answers.
        self.answers: dict[int, int] = {}
        self.running: set[int] = set()
        self.publishing: dict[int, str] = {}
        self.safe: set[int] = set()
        self.sunk: set[int] = set()
        #: The attempt of each delivery, and the deliveries whose run has begun.
        self.attempt_of: dict[int, int] = {}
        self.begun: set[int] = set()
        self.broker_up = True
        self.listening = False
        self.init_runs = False
        #: Whether containers are kept alive, and whether they may end.
        self.warm = False
        self.cooling = self.all_killed = False
        self.stop_asked_s: float | None = None
        self.exit: int | None = None
        self.n_reported_done = 0
        self.state, instructions = begin_life(self.policy, self.now_s)
        self.carry_out(instructions)

    def feed(self, stimulus: Stimulus) -> None:
        self.state, instructions = advance_life(self.state, stimulus)
        if self.exit is not None:
            assert all(isinstance(i, Settle) for i in instructions), "something goes on after the end"
        self.carry_out(instructions)

    def carry_out(self, instructions: list[Instruction]) -> None:
        for instruction in instructions:
            match instruction:
                case Start(key):
                    assert self.warm == self.policy.warm, "a run began without a warm container"
                    assert not self.cooling, "a run began when the containers were let go"
                    assert self.stop_asked_s is None, "a run began after the pilot was asked to stop"
                    ends_s = self.policy.ends_s
                    assert ends_s is None or self.now_s < ends_s, "a run began when the worker's runtime was over"
                    assert key in self.deliveries
                    assert self.deliveries[key] is None, "a run began for an event that is not on loan"
                    if self.policy.at_most_once:
                        assert self.attempt_of[key] == 1, "an event ran that a lost pilot may have run"
                    self.begun.add(key)
                    self.running.add(key)
                    self.answers[key] = key
                    assert len(self.running) <= self.policy.concurrency, "more runs than slots"
                case PublishOutput(key):
                    assert key in self.answers
                    assert key not in self.running, "an output was published while its task runs"
                    self.publishing[key] = "output"
                case PublishOutcome(key, failure):
                    assert self.policy.reports_outcomes
                    assert key not in self.running, "an outcome was published while its task runs"
                    self.publishing[key] = "outcome"
                    self.answers.setdefault(key, key)
                case PublishDeadLetter(key, failure, attempt):
                    assert not self.policy.reports_outcomes, "a dead letter instead of an outcome"
                    assert failure.final or attempt >= 5, "an event was given up too early"
                    self.publishing[key] = "dead letter"
                    # An event that is given up at once has had no run.
                    self.answers.setdefault(key, key)
                case Settle(key, how):
                    self.settle(key, how)
                case TakeOverDelivery(key, other):
                    assert self.deliveries[self.answers[key]] == "void", "a living delivery was replaced"
                    assert self.event_of[self.answers[key]] == self.event_of[other]
                    self.answers[key] = other
                case LeaveProcess(status):
                    assert self.exit is None
                    assert not self.warm or self.all_killed, "the pilot left its containers"
                    self.exit = status
                case Listen(prefetch):
                    assert prefetch >= self.policy.concurrency
                    assert prefetch == self.policy.concurrency or not self.policy.at_most_once, "a look-ahead"
                    self.listening = True
                case StopListening():
                    self.listening = False
                case RunInit():
                    self.init_runs = True
                case WarmUp():
                    assert not self.warm, "containers were started twice"
                    assert self.policy.warm
                    assert not self.init_runs, "a container was started before the init run had ended"
                    self.warm = True
                case CoolDown():
                    assert self.warm
                    assert not self.cooling
                    assert not self.running, "the containers were let go while a task runs"
                    self.cooling = True
                case KillAll():
                    self.all_killed = True
                case ChirpStatus(status):
                    if status in {PilotStatus.DONE, PilotStatus.FATAL_ERROR}:
                        assert not self.warm or self.all_killed, "the last word came before the containers had ended"
                case ChirpCounters():
                    pass

    def settle(self, key: int, how: Settlement) -> None:
        delivery = self.answers.get(key, key)
        if how is Settlement.FORGET:
            assert self.deliveries[delivery] == "void", "a living delivery was forgotten: it would never be settled"
        else:
            assert self.deliveries[delivery] is None, f"{how} of a delivery that is {self.deliveries[delivery]}"
            self.deliveries[delivery] = how
        if how is Settlement.ACK:
            assert key in self.safe or key in self.sunk, "an input was acknowledged before its output was confirmed"
            assert key in self.safe or not self.policy.reports_outcomes, "an event ended without an outcome"
        if how is Settlement.RETURN and self.policy.at_most_once:
            assert key not in self.begun, "an event that has run was returned as if it had not"
        if how in {Settlement.REJECT, Settlement.DISCARD}:
            assert key not in self.safe, "a done event was rejected"
        self.publishing.pop(key, None)
        self.running.discard(key)
        self.answers.pop(key, None)

    # Also while the pilot does not listen: what was under way when it stopped still arrives.
    @precondition(lambda self: self.broker_up and self.exit is None and not self.init_runs)
    @rule(
        queue=st.sampled_from(QUEUES),
        event=st.sampled_from(["", "e1", "e2", "e3", "e4"]),
        attempt=st.integers(1, 8),
        returned=st.integers(0, 3),
    )
    def broker_delivers(self, queue: str, event: str, attempt: int, returned: int) -> None:
        key, self.next_key = self.next_key, self.next_key + 1
        self.deliveries[key], self.queue_of[key], self.event_of[key] = None, queue, EventId(event)
        self.attempt_of[key] = attempt
        self.feed(EventArrived(self.now_s, HeldEvent(key, EventId(event), attempt, queue, n_returned=returned)))

    @precondition(lambda self: self.running)
    @rule(
        data=st.data(), failure=st.sampled_from(FAILURES), has_output=st.booleans(), took_s=st.sampled_from([0.01, 2])
    )
    def task_ends(self, data: st.DataObject, failure: Failure | None, has_output: bool, took_s: float) -> None:
        key = data.draw(st.sampled_from(sorted(self.running)))
        self.running.discard(key)
        if failure is None and not has_output and not self.policy.reports_outcomes:
            self.sunk.add(key)
        if failure is not None and failure.never_ran:
            self.begun.discard(key)
        self.feed(RunEnded(self.now_s, key, took_s=took_s, failure=failure, has_output=has_output and failure is None))

    @precondition(lambda self: self.running)
    @rule(data=st.data(), took_s=st.sampled_from([0.0, 4.0, 100.0]))
    def task_is_killed_by_the_pilot(self, data: st.DataObject, took_s: float) -> None:
        key = data.draw(st.sampled_from(sorted(self.running)))
        self.running.discard(key)
        self.feed(RunEnded(self.now_s, key, took_s=took_s, interrupted=True))

    @precondition(lambda self: self.publishing and self.broker_up)
    @rule(data=st.data())
    def broker_confirms(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(sorted(self.publishing)))
        del self.publishing[key]
        self.safe.add(key)
        self.feed(PublishConfirmed(self.now_s, key))

    @precondition(lambda self: self.publishing and self.broker_up)
    @rule(data=st.data(), passing=st.booleans())
    def broker_refuses(self, data: st.DataObject, passing: bool) -> None:
        key = data.draw(st.sampled_from(sorted(self.publishing)))
        del self.publishing[key]
        self.feed(PublishRefused(self.now_s, key, output_refused("no"), passing))

    @rule(queue=st.sampled_from(QUEUES))
    def subscription_is_lost(self, queue: str) -> None:
        for key, became in self.deliveries.items():
            if became is None and self.queue_of[key] == queue:
                self.deliveries[key] = "void"
        if self.exit is None:
            self.feed(SubscriptionLost(self.now_s, queue))
        for key, what in self.publishing.items():
            if what == "dead letter":
                assert self.deliveries[self.answers[key]] is None, "a dead letter of an event that comes again"

    @rule(up=st.booleans())
    def broker_goes_or_comes(self, up: bool) -> None:
        self.broker_up = up

    @precondition(lambda self: self.exit is None)
    @rule(passed_s=st.sampled_from([0.1, 1.0, 5.0, 40.0]))
    def time_passes(self, passed_s: float) -> None:
        self.now_s += passed_s
        self.feed(Tick(self.now_s, self.broker_up))

    @precondition(lambda self: self.init_runs)
    @rule(failure=st.sampled_from(FAILURES[:2]))
    def init_ends(self, failure: Failure | None) -> None:
        self.init_runs = False
        if self.exit is None:
            self.feed(InitEnded(self.now_s, failure))

    @precondition(lambda self: self.cooling)
    @rule()
    def containers_end(self) -> None:
        self.warm = self.cooling = False
        self.feed(CooledDown(self.now_s))

    @precondition(lambda self: self.exit is None)
    @rule()
    def pilot_is_asked_to_stop(self) -> None:
        if self.stop_asked_s is None:
            self.stop_asked_s = self.now_s
        self.feed(StopAsked(self.now_s))

    @precondition(lambda self: self.exit is None)
    @rule()
    def pilot_breaks(self) -> None:
        self.feed(PilotBroken(self.now_s, "BrokerAway('gone')"))
        if self.stop_asked_s is None:
            self.stop_asked_s = self.now_s

    @invariant()
    def nothing_is_left_unsettled_at_the_end(self) -> None:
        if getattr(self, "exit", None) is not None:
            assert None not in self.deliveries.values(), "the pilot left with an event in its hands"

    @invariant()
    def a_pilot_that_lives_is_waiting_for_something(self) -> None:
        if getattr(self, "exit", 0) is None and self.state.is_empty:
            assert wake_at(self.state) is not None, "nothing in hand and no timer: it would wait for ever"

    @invariant()
    def a_stop_is_bounded(self) -> None:
        if getattr(self, "exit", 0) is None and self.stop_asked_s is not None and self.state.stage is not Stage.OVER:
            assert self.state.until_s is not None

    @invariant()
    def a_pilot_ends_with_its_workers_runtime(self) -> None:
        if getattr(self, "exit", 0) is None and self.policy.ends_s is not None and self.state.stage is not Stage.OVER:
            due_s = wake_at(self.state)
            assert due_s is not None, "nothing would wake the pilot at the end of its worker's runtime"
            assert due_s <= max(self.policy.ends_s, self.now_s + SETTLE_GRACE_S)

    def teardown(self) -> None:
        """However it was left: a stop, and time, end it with everything settled."""
        if getattr(self, "exit", 0) is not None:
            return
        if self.stop_asked_s is None:
            self.pilot_is_asked_to_stop()
        for _ in range(10):
            if self.exit is None:
                self.time_passes(5.0)
        assert self.exit is not None, "a stop did not end the pilot"
        self.nothing_is_left_unsettled_at_the_end()


TestPilotModel = PilotModel.TestCase
