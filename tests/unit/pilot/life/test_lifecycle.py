"""The pilot's decisions one by one."""

from dataclasses import replace
from typing import Any

import pytest

from pilot.failures.container_failures import container_failed, container_timed_out
from pilot.failures.event_failures import output_refused
from pilot.failures.failure import Failure
from pilot.life.instructions import (
    ChirpCounters,
    ChirpStatus,
    Instruction,
    KillAll,
    LeaveProcess,
    Listen,
    PublishDeadLetter,
    PublishOutput,
    RunInit,
    Settle,
    Settlement,
    Start,
    StopListening,
    TakeOverDelivery,
)
from pilot.life.lifecycle import advance_life, begin_life, wake_at
from pilot.life.state import PilotState, Policy, Stage
from pilot.life.stimuli import (
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

POLICY = Policy(
    concurrency=1, first_timeout_s=10, idle_timeout_s=2, drain_grace_s=20, reconnect_timeout_s=600, stop_on_error=False
)
FAILED = container_failed("task", 1, "ValueError: bad pixel")


def held(key: int, event: str = "", *, attempt: int = 1, queue: str = "q") -> HeldEvent:
    return HeldEvent(key, EventId(event or f"e{key}"), attempt, queue)


def lived(policy: Policy, *stimuli: Stimulus) -> tuple[PilotState, list[Instruction]]:
    """Return the state after a life from second 0 on, and the instructions of its last moment."""
    state, instructions = begin_life(policy, 0.0)
    for stimulus in (Tick(0.0), *stimuli):
        state, instructions = advance_life(state, stimulus)
    return state, instructions


def with_policy(**changes: Any) -> Policy:
    return replace(POLICY, **changes)


def test_a_pilot_without_init_listens_at_once() -> None:
    _, instructions = begin_life(POLICY, 0.0)
    assert instructions == [Listen(1), ChirpStatus(PilotStatus.AWAITING_FIRST_MESSAGE)]


def test_init_runs_before_the_first_event_is_asked_for() -> None:
    state, instructions = begin_life(with_policy(has_init=True), 0.0)
    assert instructions == [RunInit(), ChirpStatus(PilotStatus.RUNNING_INIT_COMMAND)]
    state, instructions = advance_life(state, InitEnded(5.0))
    assert Listen(1) in instructions
    assert state.stage is Stage.LISTENING


def test_a_failed_init_is_fatal_and_takes_no_event() -> None:
    state, _ = begin_life(with_policy(has_init=True), 0.0)
    _, instructions = advance_life(state, InitEnded(5.0, container_failed("init-container", 2, "no geometry")))
    error = "ContainerRunError('init-container failed (exit code 2): no geometry')"
    assert instructions == [ChirpStatus(PilotStatus.FATAL_ERROR, error), LeaveProcess(1)]


@pytest.mark.parametrize(("seen", "timeout_s"), [(False, 10.0), (True, 2.0)])
def test_the_idle_timeout_is_the_first_messages_until_one_has_come(seen: bool, timeout_s: float) -> None:
    stimuli: list[Stimulus] = []
    if seen:
        stimuli = [EventArrived(0.0, held(1)), RunEnded(0.0, 1)]
    state, _ = lived(POLICY, *stimuli)
    assert wake_at(state) == timeout_s
    early, _ = advance_life(state, Tick(timeout_s - 0.01))
    assert early.stage is Stage.LISTENING
    over, instructions = advance_life(state, Tick(timeout_s))
    assert instructions == [StopListening(), ChirpStatus(PilotStatus.DONE), LeaveProcess(0)]
    assert over.stage is Stage.OVER


def test_a_pilot_that_runs_a_task_is_not_idle() -> None:
    state, _ = lived(POLICY, EventArrived(1.0, held(1)), Tick(1000.0))
    assert state.stage is Stage.LISTENING


def test_time_without_a_subscription_does_not_count_as_idle() -> None:
    state, _ = lived(
        POLICY, EventArrived(0.0, held(1)), RunEnded(0.0, 1), SubscriptionLost(1.0, "q"), Tick(50.0, listening=False)
    )
    assert state.stage is Stage.LISTENING
    state, _ = advance_life(state, Tick(60.0))
    assert wake_at(state) == 62.0


def test_a_broker_that_stays_away_is_fatal_once_nothing_runs() -> None:
    away: list[Stimulus] = [SubscriptionLost(1.0, "q"), Tick(700.0, listening=False, why="refused")]
    state, _ = lived(POLICY, EventArrived(0.0, held(1)), *away)
    assert state.stage is Stage.LISTENING
    state, _ = advance_life(state, RunEnded(701.0, 1))
    _, instructions = advance_life(state, Tick(701.3, listening=False))
    assert instructions[-1] == LeaveProcess(1)
    report = next(i for i in instructions if isinstance(i, ChirpStatus))
    assert report.status is PilotStatus.FATAL_ERROR
    assert "refused" in report.error


def test_an_output_is_confirmed_before_its_input_is_acknowledged() -> None:
    state, instructions = lived(POLICY, EventArrived(0.0, held(1)), RunEnded(0.1, 1, has_output=True))
    assert instructions == [PublishOutput(1)]
    _, instructions = advance_life(state, PublishConfirmed(0.2, 1))
    assert instructions == [Settle(1, Settlement.ACK), ChirpCounters(0, 1)]


def test_the_slot_is_free_while_an_output_is_on_its_way() -> None:
    policy = with_policy(prefetch=2)
    _, instructions = lived(
        policy, EventArrived(0.0, held(1)), EventArrived(0.0, held(2)), RunEnded(0.1, 1, has_output=True)
    )
    assert instructions == [PublishOutput(1), Start(2)]


def test_a_task_without_an_outfile_succeeds_without_an_output() -> None:
    _, instructions = lived(POLICY, EventArrived(0.0, held(1)), RunEnded(0.1, 1))
    assert instructions == [Settle(1, Settlement.ACK), ChirpCounters(0, 1)]


@pytest.mark.parametrize("attempt", [1, 2, 3, 4])
def test_a_failed_attempt_is_rejected_so_that_the_broker_counts_and_delays_it(attempt: int) -> None:
    _, instructions = lived(POLICY, EventArrived(0.0, held(1, attempt=attempt)), RunEnded(0.1, 1, failure=FAILED))
    assert instructions == [ChirpCounters(1, 0, FAILED, held(1, attempt=attempt)), Settle(1, Settlement.REJECT)]


@pytest.mark.parametrize("attempt", [5, 6])
def test_from_the_fifth_failed_attempt_on_an_event_becomes_a_dead_letter_and_then_is_acknowledged(attempt: int) -> None:
    state, instructions = lived(POLICY, EventArrived(0.0, held(1, attempt=attempt)), RunEnded(0.1, 1, failure=FAILED))
    given_up = held(1, attempt=attempt)
    assert instructions == [ChirpCounters(1, 0, FAILED, given_up), PublishDeadLetter(1, FAILED, attempt)]
    _, instructions = advance_life(state, PublishConfirmed(0.2, 1))
    assert instructions == [Settle(1, Settlement.ACK)]


def test_a_failure_that_would_repeat_for_ever_is_given_up_at_once() -> None:
    failure = replace(FAILED, final=True)
    _, instructions = lived(POLICY, EventArrived(0.0, held(1)), RunEnded(0.1, 1, failure=failure))
    assert PublishDeadLetter(1, failure, 1) in instructions


def test_a_dead_letter_that_finds_no_way_is_left_to_the_broker() -> None:
    dying: list[Stimulus] = [EventArrived(0.0, held(1, attempt=5)), RunEnded(0.1, 1, failure=FAILED)]
    _, instructions = lived(POLICY, *dying, PublishRefused(0.2, 1, output_refused("gone"), passing=False))
    assert instructions == [Settle(1, Settlement.DISCARD)]


def test_an_output_that_a_full_queue_refuses_is_offered_again_and_again() -> None:
    state, _ = lived(POLICY, EventArrived(0.0, held(1)), RunEnded(0.1, 1, has_output=True))
    pauses = []
    for _ in range(8):
        state, instructions = advance_life(state, PublishRefused(0.2, 1, output_refused("full"), passing=True))
        assert isinstance(instructions[0], PublishOutput)
        pauses.append(instructions[0].after_s)
    assert pauses == sorted(pauses)
    assert pauses[0] < 1 < pauses[-1] == 10
    assert state.n_failed == 0


def test_an_output_that_is_refused_for_good_fails_the_task() -> None:
    refused = PublishRefused(0.2, 1, output_refused("gone"), passing=False)
    state, instructions = lived(POLICY, EventArrived(0.0, held(1)), RunEnded(0.1, 1, has_output=True), refused)
    assert Settle(1, Settlement.REJECT) in instructions
    assert (state.n_failed, state.n_success) == (1, 0)


def test_a_task_error_stops_listening_by_default_and_is_the_pilots_last_word() -> None:
    policy = with_policy(stop_on_error=True, concurrency=2)
    state, instructions = lived(
        policy, EventArrived(0.0, held(1)), EventArrived(0.0, held(2)), RunEnded(0.1, 1, failure=FAILED)
    )
    assert StopListening() in instructions
    assert ChirpStatus(PilotStatus.PENDING_REMAINING_TASKS) in instructions
    _, instructions = advance_life(state, RunEnded(0.2, 2))
    error = "RuntimeError: 1 TASK(S) FAILED: ContainerRunError('task failed (exit code 1): ValueError: bad pixel')"
    assert instructions[-2:] == [ChirpStatus(PilotStatus.FATAL_ERROR, error), LeaveProcess(1)]


@pytest.mark.parametrize("okay", ["ContainerRunError", "TimeoutError"])
def test_okay_errors_do_not_stop_listening(okay: str) -> None:
    policy = with_policy(stop_on_error=True, okay_errors=frozenset({okay}))
    failure = container_timed_out("task", 3)
    state, _ = lived(policy, EventArrived(0.0, held(1)), RunEnded(0.1, 1, failure=failure))
    assert state.stage is Stage.LISTENING


def test_different_events_failing_in_a_row_stop_a_bad_worker() -> None:
    policy = with_policy(max_failures_in_a_row=3)
    stimuli: list[Stimulus] = []
    for key in (1, 2, 3):
        stimuli += [EventArrived(0.0, held(key)), RunEnded(0.1, key, failure=FAILED)]
    before, _ = lived(policy, *stimuli[:-1])
    assert before.stage is Stage.LISTENING
    after, _ = lived(policy, *stimuli)
    assert after.stage is Stage.OVER


def test_one_bad_event_failing_again_and_again_does_not_stop_a_worker() -> None:
    stimuli: list[Stimulus] = []
    for key in range(1, 6):
        stimuli += [EventArrived(0.0, held(key, "the bad one")), RunEnded(0.1, key, failure=FAILED)]
    state, _ = lived(with_policy(max_failures_in_a_row=3), *stimuli)
    assert state.stage is Stage.LISTENING


def test_a_success_between_failures_clears_the_worker() -> None:
    stimuli: list[Stimulus] = []
    for key in range(1, 8):
        failure = None if key % 3 == 0 else FAILED
        stimuli += [EventArrived(0.0, held(key)), RunEnded(0.1, key, failure=failure)]
    state, _ = lived(with_policy(max_failures_in_a_row=3), *stimuli)
    assert state.stage is Stage.LISTENING


def test_a_stop_returns_what_was_not_started_and_lets_the_rest_end() -> None:
    policy = with_policy(prefetch=3)
    state, instructions = lived(policy, EventArrived(0.0, held(1)), EventArrived(0.0, held(2)), StopAsked(1.0))
    assert instructions == [
        StopListening(),
        Settle(2, Settlement.RETURN),
        ChirpStatus(PilotStatus.PENDING_REMAINING_TASKS),
    ]
    assert wake_at(state) == 21.0
    state, _ = advance_life(state, RunEnded(2.0, 1, has_output=True))
    _, instructions = advance_life(state, PublishConfirmed(2.1, 1))
    assert instructions[-2:] == [ChirpStatus(PilotStatus.DONE), LeaveProcess(0)]


def test_when_the_grace_is_over_what_runs_is_killed_and_returned_uncounted() -> None:
    state, instructions = lived(POLICY, EventArrived(0.0, held(1)), StopAsked(1.0), Tick(21.0))
    assert instructions == [KillAll()]
    _, instructions = advance_life(state, RunEnded(21.1, 1, interrupted=True))
    assert instructions == [Settle(1, Settlement.RETURN), ChirpStatus(PilotStatus.DONE), LeaveProcess(0)]


def test_a_stop_does_not_wait_for_ever_for_a_broker_that_is_away() -> None:
    done: list[Stimulus] = [EventArrived(0.0, held(1)), RunEnded(0.5, 1, has_output=True), StopAsked(1.0)]
    _, instructions = lived(POLICY, *done, Tick(21.0, listening=False))
    assert instructions == [Settle(1, Settlement.RETURN), ChirpStatus(PilotStatus.DONE), LeaveProcess(0)]


def test_a_lost_delivery_is_not_settled_but_its_output_is_published() -> None:
    state, _ = lived(POLICY, EventArrived(0.0, held(1)), SubscriptionLost(0.1, "q"))
    state, instructions = advance_life(state, RunEnded(0.2, 1, has_output=True))
    assert instructions == [PublishOutput(1)]
    _, instructions = advance_life(state, PublishConfirmed(0.3, 1))
    assert Settle(1, Settlement.FORGET) in instructions


def test_the_event_that_comes_again_while_its_first_run_goes_on_is_not_run_twice() -> None:
    again = held(2, "e1", attempt=2)
    state, instructions = lived(
        POLICY, EventArrived(0.0, held(1)), SubscriptionLost(0.1, "q"), EventArrived(0.2, again)
    )
    assert instructions == [TakeOverDelivery(1, 2)]
    state, _ = advance_life(state, RunEnded(0.3, 1, has_output=True))
    _, instructions = advance_life(state, PublishConfirmed(0.4, 1))
    assert Settle(1, Settlement.ACK) in instructions


def test_another_queues_deliveries_survive_the_loss_of_one() -> None:
    policy = with_policy(concurrency=2)
    state, _ = lived(
        policy, EventArrived(0.0, held(1, queue="a")), EventArrived(0.0, held(2, queue="b")), SubscriptionLost(0.1, "a")
    )
    _, instructions = advance_life(state, RunEnded(0.2, 2))
    assert Settle(2, Settlement.ACK) in instructions


def test_quarantine_keeps_the_worker_away_from_events_until_it_is_over_or_told_to_leave() -> None:
    policy = with_policy(stop_on_error=True, quarantine_s=60.0)
    state, instructions = lived(policy, EventArrived(0.0, held(1)), RunEnded(1.0, 1, failure=FAILED))
    assert isinstance(instructions[-1], ChirpStatus)
    assert wake_at(state) == 61.0
    assert advance_life(state, Tick(61.0))[1] == [LeaveProcess(1)]
    assert advance_life(state, StopAsked(2.0))[1] == [LeaveProcess(1)]


def test_a_pilot_in_quarantine_takes_nothing_of_a_broker_that_came_back() -> None:
    policy = with_policy(stop_on_error=True, quarantine_s=60.0)
    state, _ = lived(policy, SubscriptionLost(1.0, "q"))
    state, instructions = advance_life(state, Tick(601.0, listening=False))
    assert state.stage is Stage.QUARANTINED
    assert StopListening() in instructions


def test_a_source_runs_its_task_once_and_asks_for_no_event() -> None:
    state, instructions = begin_life(with_policy(source=True), 0.0)
    assert instructions == [Start(0), ChirpStatus(PilotStatus.TASKING)]
    state, _ = advance_life(state, RunEnded(1.0, 0, has_output=True))
    _, instructions = advance_life(state, PublishConfirmed(1.1, 0))
    assert instructions[-2:] == [ChirpStatus(PilotStatus.DONE), LeaveProcess(0)]


def test_short_tasks_get_a_look_ahead_and_long_ones_none() -> None:
    stimuli: list[Stimulus] = []
    for key in range(1, 4):
        stimuli += [EventArrived(0.0, held(key)), RunEnded(0.1, key, took_s=0.01)]
    state, instructions = lived(POLICY, *stimuli)
    assert Listen(4) in instructions
    state, _ = advance_life(state, EventArrived(1.0, held(10)))
    state, _ = advance_life(state, EventArrived(1.0, held(11)))
    assert wake_at(state) == 2.0
    state, instructions = advance_life(state, Tick(2.0))
    assert instructions == [StopListening(), Settle(11, Settlement.RETURN)]
    _, instructions = advance_life(state, RunEnded(9.0, 10, took_s=8.0))
    assert Listen(1) in instructions


def test_what_breaks_the_pilot_itself_is_said() -> None:
    _, instructions = lived(POLICY, PilotBroken(1.0, "BrokerAway('no such queue')"))
    assert instructions == [
        StopListening(),
        ChirpStatus(PilotStatus.FATAL_ERROR, "BrokerAway('no such queue')"),
        LeaveProcess(1),
    ]


def test_distinct_errors_are_repeated_a_few_times_only() -> None:
    stimuli: list[Stimulus] = []
    for key in range(1, 10):
        failure = Failure("ContainerRunError", f"error {key % 5}")
        stimuli += [EventArrived(0.0, held(key)), RunEnded(0.1, key, failure=failure)]
    _, instructions = lived(POLICY, *stimuli, Tick(100.0))
    report = next(i for i in instructions if isinstance(i, ChirpStatus))
    assert report.error.startswith("RuntimeError: 9 TASK(S) FAILED: ")
    assert report.error.count("ContainerRunError") == 3


def test_what_still_arrives_when_no_more_is_wanted_is_returned_at_once() -> None:
    for stop in (StopAsked(1.0), PilotBroken(1.0, "gone")):
        _, instructions = lived(POLICY, EventArrived(0.0, held(1)), stop, EventArrived(1.1, held(2)))
        assert instructions == [Settle(2, Settlement.RETURN)]
    _, instructions = lived(POLICY, StopAsked(1.0), EventArrived(1.1, held(2)))
    assert instructions == [Settle(2, Settlement.RETURN)]


def test_a_dead_letter_that_was_on_its_way_when_the_delivery_was_lost_is_dropped() -> None:
    dying: list[Stimulus] = [EventArrived(0.0, held(1, attempt=5)), RunEnded(0.1, 1, failure=FAILED)]
    state, instructions = lived(POLICY, *dying, SubscriptionLost(0.2, "q"))
    assert instructions[0] == Settle(1, Settlement.FORGET)
    assert advance_life(state, PublishConfirmed(0.3, 1))[1] == []
