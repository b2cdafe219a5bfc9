"""A failed task: whose fault? The pilot's decisions, one by one."""

from dataclasses import replace

import pytest

from pilot.failures.container_failures import container_failed, container_not_started, worker_memory_exceeded
from pilot.failures.event_failures import invalid_infile
from pilot.failures.failure import Failure
from pilot.failures.lifetime_failures import task_outlived
from pilot.life.instructions import (
    ChirpCounters,
    ChirpStatus,
    LeaveProcess,
    Listen,
    PublishDeadLetter,
    Settle,
    Settlement,
    Start,
    StopListening,
)
from pilot.life.lifecycle import advance_life, wake_at
from pilot.life.state import PilotState, Policy, Stage
from pilot.life.stimuli import EventArrived, InitEnded, PilotBroken, RunEnded, StopAsked, SubscriptionLost, Tick
from pilot.life.verdicts import KNOWN_AFTER, OPEN_S, is_worker_bad
from schemas.fleet.statuses import PilotStatus
from schemas.ids import EventId
from schemas.pilot.exits import PilotExit
from tests.unit.pilot.life.test_lifecycle import FAILED, held, lived, with_policy

JUDGE = with_policy(max_failures_in_a_row=3, quarantine_s=300.0)


def fail(key: int, now_s: float, failure: Failure = FAILED) -> list[EventArrived | RunEnded]:
    return [EventArrived(now_s, held(key)), RunEnded(now_s + 0.5, key, took_s=0.5, failure=failure)]


def succeed(key: int, now_s: float) -> list[EventArrived | RunEnded]:
    return [EventArrived(now_s, held(key)), RunEnded(now_s + 0.5, key, took_s=0.5)]


def test_before_the_first_success_a_failure_is_kept_open_and_another_event_is_asked_for() -> None:
    state, instructions = lived(JUDGE, *fail(1, 1.0))
    assert instructions == [ChirpCounters(1, 0, FAILED, held(1)), Listen(1)]
    assert list(state.open) == [1]
    assert not state.is_empty


def test_when_another_event_succeeds_the_failed_ones_are_charged() -> None:
    state, instructions = lived(JUDGE, *fail(1, 1.0), *fail(2, 2.0), *succeed(3, 3.0))
    settled = [i for i in instructions if isinstance(i, Settle)]
    assert settled == [Settle(3, Settlement.ACK), Settle(1, Settlement.REJECT), Settle(2, Settlement.REJECT)]
    assert [i.failure for i in settled] == [None, FAILED, FAILED], "each failed attempt is reported"
    assert state.open == {}
    assert instructions[-1] == Listen(1)


def test_after_a_success_a_failure_counts_at_once() -> None:
    _, instructions = lived(JUDGE, *succeed(1, 1.0), *fail(2, 2.0))
    assert instructions == [ChirpCounters(1, 1, FAILED, held(2)), Settle(2, Settlement.REJECT)]


def test_three_different_events_before_any_success_are_the_workers_fault() -> None:
    state, instructions = lived(JUDGE, *fail(1, 1.0), *fail(2, 2.0), *fail(3, 3.0))
    assert {i for i in instructions if isinstance(i, Settle)} == {Settle(key, Settlement.RETURN) for key in (1, 2, 3)}
    assert [i.failure for i in instructions if isinstance(i, Settle)] == [FAILED] * 3, "their users hear of it"
    assert StopListening() in instructions
    assert state.stage is Stage.QUARANTINED, "the slot is kept, so that no other job of ours comes here"
    report = next(i for i in instructions if isinstance(i, ChirpStatus) and i.error)
    assert report.status is PilotStatus.FATAL_ERROR
    assert "BadWorker" in report.error
    assert "bad pixel" in report.error
    _, instructions = advance_life(state, EventArrived(4.0, held(9)))
    assert instructions == [Settle(9, Settlement.RETURN)]
    _, instructions = advance_life(state, Tick(3.5 + 300.0))
    assert instructions == [LeaveProcess(PilotExit.BAD_WORKER)]


def test_when_no_other_event_comes_the_failure_counts() -> None:
    state, _ = lived(JUDGE, *fail(1, 1.0))
    assert wake_at(state) == 1.5 + OPEN_S
    early, instructions = advance_life(state, Tick(1.4 + OPEN_S))
    assert instructions == []
    late, instructions = advance_life(early, Tick(1.5 + OPEN_S))
    assert instructions == [Settle(1, Settlement.REJECT), StopListening()]
    assert late.is_empty
    back_s = late.aside_until_s
    assert back_s is not None, "others get it first"
    back, instructions = advance_life(late, Tick(back_s))
    assert instructions == [Listen(1)]
    assert wake_at(back) == back_s + 2, "the idle time begins when it takes events again"


@pytest.mark.parametrize(
    ("arrival", "failure"),
    [
        (held(1, attempt=2), FAILED),
        (replace(held(1), n_returned=KNOWN_AFTER), FAILED),
        (held(1), task_outlived(60)),
        (held(1), worker_memory_exceeded(2**30, 2**29)),
    ],
)
def test_what_is_known_to_fail_is_charged_at_once(arrival: object, failure: Failure) -> None:
    _, instructions = lived(JUDGE, EventArrived(1.0, arrival), RunEnded(2.0, 1, failure=failure))  # type: ignore[arg-type] # it is
    assert Settle(1, Settlement.REJECT) in instructions


def test_events_that_are_known_to_fail_do_not_speak_against_a_worker() -> None:
    """The last events of a run may all be bad ones; a worker that gets nothing else must not leave for that."""
    stimuli = [
        s for key in range(1, 9) for s in (EventArrived(key, held(key, attempt=2)), RunEnded(key, key, failure=FAILED))
    ]
    stimuli += [s for key in (11, 12, 13) for s in fail(key, key, invalid_infile("no"))]
    stimuli += [s for key in (21, 22, 23) for s in fail(key, key, worker_memory_exceeded(2**30, 2**29))]
    state, _ = lived(JUDGE, *stimuli)
    assert state.stage is Stage.LISTENING
    assert state.failed_in_a_row == ()


def test_an_event_that_nobody_could_do_is_dead_at_once() -> None:
    _, instructions = lived(JUDGE, EventArrived(1.0, held(1)), RunEnded(2.0, 1, failure=invalid_infile("no")))
    assert any(isinstance(i, PublishDeadLetter) for i in instructions)


def test_a_failure_of_the_container_runtime_stays_open_even_after_a_success() -> None:
    broken = container_not_started("task", "no space left on device")
    state, _ = lived(JUDGE, *succeed(1, 1.0), *fail(2, 2.0, broken))
    assert list(state.open) == [2]
    _, instructions = advance_life(advance_life(state, EventArrived(3.0, held(3)))[0], RunEnded(3.5, 3))
    assert Settle(2, Settlement.REJECT) in instructions


def test_a_lost_subscription_takes_open_events_along_and_not_what_they_told() -> None:
    state, instructions = lived(JUDGE, *fail(1, 1.0), SubscriptionLost(2.0, "q"))
    assert instructions == [Settle(1, Settlement.FORGET), Listen(1)]
    assert state.open == {}
    assert state.failed_in_a_row == (EventId("e1"),)


def test_a_stop_gives_open_events_back() -> None:
    _, instructions = lived(JUDGE, *fail(1, 1.0), StopAsked(2.0))
    assert Settle(1, Settlement.RETURN) in instructions
    assert instructions[-1] == LeaveProcess(PilotExit.DONE)


def test_a_worker_whose_last_running_event_succeeds_is_not_bad() -> None:
    policy = replace(JUDGE, concurrency=4)
    keys = (1, 2, 3, 4)
    arrivals = [EventArrived(1.0, held(key)) for key in keys]
    state, _ = lived(policy, *arrivals, *(RunEnded(2.0, key, failure=FAILED) for key in (1, 2, 3)))
    assert state.stage is Stage.DRAINING
    state, instructions = advance_life(state, RunEnded(3.0, 4))
    assert not state.is_bad
    assert instructions[-1] == LeaveProcess(PilotExit.FAILED), "it leaves as one whose tasks failed"


def test_a_failed_init_container_speaks_against_the_worker() -> None:
    policy = replace(JUDGE, has_init=True, quarantine_s=0)
    _, instructions = lived(policy, InitEnded(5.0, container_failed("init", 2, "no geometry")))
    assert instructions[-1] == LeaveProcess(PilotExit.BAD_WORKER)


def test_who_leaves_at_the_first_error_judges_nobody() -> None:
    policy = replace(JUDGE, stop_on_error=True, quarantine_s=0)
    _, instructions = lived(policy, *fail(1, 1.0))
    assert Settle(1, Settlement.REJECT) in instructions
    assert instructions[-1] == LeaveProcess(PilotExit.FAILED)


@pytest.mark.parametrize(
    ("n_success", "n_failed", "in_a_row", "bad"),
    [
        (0, 3, 3, True),
        (0, 2, 2, False),
        # A task that rarely fails: three in a row are the worker's.
        (100, 3, 3, True),
        # One that fails on every second event has six in a row now and then.
        (50, 56, 6, False),
        (50, 64, 14, True),
        (9, 5, 4, False),
    ],
)
def test_a_row_of_failures_is_the_workers_fault_if_the_tasks_own_rate_does_not_explain_it(
    n_success: int, n_failed: int, in_a_row: int, bad: bool
) -> None:
    row = tuple(EventId(f"e{n}") for n in range(in_a_row))
    state = PilotState(JUDGE, Stage.LISTENING, 0.0, n_success=n_success, n_failed=n_failed, failed_in_a_row=row)
    assert is_worker_bad(state) is bad


def test_a_suspect_runs_alone_and_events_come_again_after_it() -> None:
    policy: Policy = replace(JUDGE, concurrency=2)
    state, _ = lived(policy, EventArrived(1.0, held(1)), *[])
    state, instructions = advance_life(state, EventArrived(1.0, held(2, attempt=5)))
    assert instructions == [StopListening()]
    state, instructions = advance_life(state, RunEnded(2.0, 1))
    assert Start(2) in instructions
    assert not any(isinstance(i, Listen) for i in instructions)
    _, instructions = advance_life(state, RunEnded(3.0, 2))
    assert Listen(2) in instructions


def test_an_event_that_killed_workers_is_a_dead_letter_without_another_run() -> None:
    state, instructions = lived(JUDGE, EventArrived(1.0, held(1, attempt=7)))
    assert not any(isinstance(i, Start) for i in instructions)
    assert any(isinstance(i, PublishDeadLetter) and i.failure.reason == "killed-workers" for i in instructions)
    assert not state.running


def test_a_pilot_whose_queue_is_gone_leaves_at_once_and_for_good() -> None:
    _, instructions = lived(JUDGE, PilotBroken(1.0, "QueueGone('no queue')", gone=True))
    assert instructions[-1] == LeaveProcess(PilotExit.CLOSED)


def test_a_pilot_that_leaves_a_good_worker_keeps_no_slot_for_the_events_that_failed() -> None:
    state, _ = lived(replace(JUDGE, idle_timeout_s=10.0), *succeed(1, 1.0), *fail(2, 2.0))
    _, instructions = advance_life(state, Tick(13.0))
    assert instructions[-1] == LeaveProcess(PilotExit.FAILED)


def test_a_pilot_that_retires_keeps_no_slot_for_the_events_that_failed() -> None:
    state, _ = lived(replace(JUDGE, runtime_s=100.0, ends_s=90.0), *succeed(1, 1.0), *fail(2, 2.0))
    _, instructions = advance_life(state, Tick(90.0))
    assert instructions[-1] == LeaveProcess(PilotExit.FAILED)


@pytest.mark.parametrize("how", Settlement)
def test_only_an_attempt_that_gives_its_event_back_counts_for_nothing(how: Settlement) -> None:
    assert how.counts == (how is not Settlement.RETURN)
