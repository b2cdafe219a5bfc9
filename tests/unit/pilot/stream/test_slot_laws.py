"""The laws of a warm slot, whatever its container does: every event ends once, nothing spins, nothing is left."""

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from pilot.containers.task_interface import RunOutcome
from pilot.failures.container_failures import container_not_started, task_said
from pilot.failures.event_failures import invalid_answer
from pilot.stream.slot import (
    Answered,
    Await,
    Closed,
    CloseInput,
    Dismissed,
    Due,
    End,
    Given,
    Gone,
    Kill,
    Killed,
    Limits,
    Misbehaved,
    Send,
    Slot,
    SlotPhase,
    Spawn,
    Stimulus,
    Unstartable,
    WarmedUp,
    advance_slot,
)

OUTCOMES = (RunOutcome(b"1", "application/json"), RunOutcome(), RunOutcome(failure=task_said("no")))


class WarmSlotModel(RuleBasedStateMachine):
    """What a container and the pilot may do to a slot."""

    @initialize(timeout_s=st.sampled_from([None, 2.0]))
    def start(self, timeout_s: float | None) -> None:
        self.now_s = 0.0
        self.slot = Slot(Limits(timeout_s, 60.0))
        self.alive = False
        self.killed = False
        self.hushed = False
        #: The event in the slot, the one that the living container has been sent, and whether it has answered it.
        self.event: int | None = None
        self.sent: int | None = None
        self.n_given = self.n_ended = self.n_spawned = self.n_answered = 0
        self.n_sent: dict[int, int] = {}
        self.due_s: float | None = None
        self.dismissed = False

    def feed(self, stimulus: Stimulus) -> None:
        self.slot, instructions = advance_slot(self.slot, stimulus)
        for instruction in instructions:
            match instruction:
                case Spawn():
                    assert not self.alive, "two containers in one slot"
                    assert not self.dismissed, "a container was started that nobody wants"
                    self.alive, self.killed, self.hushed, self.sent = True, False, False, None
                    self.n_spawned += 1
                case Send(key, due_s):
                    assert self.alive
                    assert not self.killed, "an event was given to a container on its way out"
                    assert not self.hushed, "an event was given to a container that can hear nothing"
                    assert key == self.event
                    assert self.sent is None, "a container has one event at a time"
                    assert due_s is None or due_s >= self.now_s + 2.0, "an event was cut short"
                    self.sent, self.due_s = key, due_s
                    self.n_sent[key] = self.n_sent.get(key, 0) + 1
                case Await(due_s):
                    assert self.alive
                    self.due_s = due_s
                case CloseInput():
                    assert self.alive
                    assert self.event is None, "the input was closed under an event"
                    self.hushed = True
                case Kill():
                    assert self.alive
                    self.killed = True
                case End(key, outcome):
                    assert key == self.event, "an event ended twice, or never began"
                    spoilt = self.alive and self.killed and self.sent == key
                    assert not spoilt, "an event ended before the container had that spoilt it"
                    assert outcome.failure is None or not outcome.interrupted
                    self.event, self.sent, self.due_s = None, None, None
                    self.n_ended += 1

    @rule()
    def warm_up(self) -> None:
        if self.n_spawned == 0:
            self.feed(WarmedUp(self.now_s))

    @precondition(lambda self: self.event is None)
    @rule()
    def event_comes(self) -> None:
        self.n_given += 1
        self.event = self.n_given
        self.feed(Given(self.now_s, self.event))

    @precondition(lambda self: self.alive)
    @rule(outcome=st.sampled_from(OUTCOMES), more=st.booleans())
    def container_answers(self, outcome: RunOutcome, more: bool) -> None:
        """As its shell sees it, which hears only what was asked for."""
        if self.sent is None:
            self.feed(Misbehaved(invalid_answer("came without a request", "do not")))
        else:
            self.n_answered += 1
            self.feed(Answered(outcome, more))

    @precondition(lambda self: self.alive)
    @rule()
    def container_talks_rubbish(self) -> None:
        self.feed(Misbehaved(invalid_answer("is not JSON", "write JSON")))

    @precondition(lambda self: self.alive)
    @rule()
    def container_closes_a_pipe(self) -> None:
        self.feed(Closed(self.now_s))

    @precondition(lambda self: self.alive)
    @rule(code=st.sampled_from([0, 1, 137]), unread=st.booleans())
    def container_ends(self, code: int, unread: bool) -> None:
        self.alive = False
        self.feed(Gone(self.now_s, code, "words", "", unread))

    @precondition(
        lambda self: self.alive and self.n_spawned and self.sent is None and self.slot.phase is SlotPhase.WARM
    )
    @rule()
    def command_cannot_be_started(self) -> None:
        self.alive = False
        self.feed(Unstartable(container_not_started("task", "no such file")))

    @rule(passed_s=st.sampled_from([0.5, 3.0, 100.0]))
    def time_passes(self, passed_s: float) -> None:
        self.now_s += passed_s
        if self.due_s is not None and self.now_s >= self.due_s:
            self.due_s = None
            self.feed(Due())

    @precondition(lambda self: self.event is None)
    @rule()
    def pilot_is_done(self) -> None:
        self.dismissed = True
        self.feed(Dismissed())

    @rule()
    def pilot_kills(self) -> None:
        self.dismissed = True
        self.feed(Killed())

    @invariant()
    def nothing_spins(self) -> None:
        if hasattr(self, "slot"):
            assert self.n_spawned <= 1 + self.n_given + self.n_answered
            assert all(n <= 2 for n in self.n_sent.values()), "an event was given again and again"

    @invariant()
    def the_slot_knows_whether_it_has_a_container(self) -> None:
        if hasattr(self, "slot"):
            assert self.alive == (self.slot.phase is not SlotPhase.COLD)
            assert self.slot.key == self.event
            assert self.n_ended == self.n_given - (self.event is not None)

    @invariant()
    def an_event_in_a_slot_has_a_container_at_work_or_on_its_way_out(self) -> None:
        if hasattr(self, "slot") and self.event is not None:
            assert self.alive

    def teardown(self) -> None:
        """However it was left, a kill ends it all."""
        if not hasattr(self, "slot"):
            return
        self.feed(Killed())
        self.dismissed = True
        if self.alive:
            assert self.killed
            self.alive = False
            self.feed(Gone(self.now_s, 137))
        assert self.slot.phase is SlotPhase.COLD
        assert self.event is None


TestWarmSlotModel = WarmSlotModel.TestCase
