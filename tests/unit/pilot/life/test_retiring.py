"""The end of a worker's runtime: what is taken, killed, charged and given back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilot.failures.lifetime_failures import init_too_long_failure, task_cut_off, task_outlived
from pilot.life.instructions import (
    ChirpCounters,
    ChirpStatus,
    KillAll,
    LeaveProcess,
    Listen,
    PublishDeadLetter,
    Settle,
    Settlement,
    Start,
)
from pilot.life.lifecycle import advance_life, begin_life, wake_at
from pilot.life.retiring import end_of_work_s
from pilot.life.state import Policy, Stage
from pilot.life.stimuli import EventArrived, InitEnded, PublishConfirmed, RunEnded, Stimulus, StopAsked, Tick
from schemas.fleet.statuses import PilotStatus
from tests.unit.pilot.life.test_lifecycle import held, lived, with_policy

#: A worker of 100 s whose pilot keeps 10 of them.
WORKER = with_policy(runtime_s=100.0, ends_s=90.0, first_timeout_s=100.0, idle_timeout_s=100.0)
OUTLIVED = task_outlived(100.0)


@pytest.mark.parametrize(
    ("runtime_s", "kept_s"), [(1.0, 0.1), (60.0, 6.0), (150.0, 15.0), (3600.0, 15.0), (31_536_000.0, 15.0)]
)
def test_a_pilot_keeps_some_of_its_workers_runtime_for_its_end(runtime_s: float, kept_s: float) -> None:
    assert end_of_work_s(7.0, runtime_s) == pytest.approx(7.0 + runtime_s - kept_s)


def test_a_worker_without_a_runtime_has_no_end() -> None:
    assert end_of_work_s(7.0, None) is None


def test_an_idle_pilot_leaves_in_peace_before_its_worker_ends() -> None:
    state, _ = lived(WORKER)
    assert wake_at(state) == 90.0
    _, instructions = advance_life(state, Tick(90.0))
    assert instructions[-2:] == [ChirpStatus(PilotStatus.DONE), LeaveProcess(0)]


def test_no_event_is_taken_that_would_not_end_in_time() -> None:
    state, instructions = lived(WORKER, EventArrived(0.0, held(1)), RunEnded(50.0, 1, took_s=50.0))
    assert instructions[-2:] == [ChirpStatus(PilotStatus.DONE), LeaveProcess(0)]
    _, instructions = advance_life(state, EventArrived(50.5, held(2)))
    assert instructions == [Settle(2, Settlement.RETURN)]


def test_events_are_taken_as_long_as_one_like_the_longest_still_ends_in_time() -> None:
    stimuli: list[Stimulus] = []
    for n in range(1, 5):
        stimuli += [EventArrived(20.0 * n - 20, held(n)), RunEnded(20.0 * n, n, took_s=20.0)]
    state, _ = lived(WORKER, *stimuli[:-2])
    assert state.stage is Stage.LISTENING
    assert wake_at(state) == 70.0
    state, instructions = lived(WORKER, *stimuli)
    assert instructions[-1] == LeaveProcess(0), "the fourth was begun at 60 s, the fifth could not end before 90 s"


def test_what_was_lent_and_not_begun_goes_back_when_no_time_is_left() -> None:
    policy = with_policy(runtime_s=100.0, ends_s=90.0, prefetch=3)
    arrivals = [EventArrived(0.0, held(n)) for n in (1, 2, 3)]
    _, instructions = lived(policy, *arrivals, RunEnded(60.0, 1, took_s=60.0))
    assert {Settle(2, Settlement.RETURN), Settle(3, Settlement.RETURN)} <= set(instructions)
    assert not any(isinstance(instruction, Start | Listen) for instruction in instructions)


def test_a_task_that_had_a_whole_life_is_charged() -> None:
    state, instructions = lived(WORKER, EventArrived(2.0, held(1)), Tick(90.0))
    assert KillAll() in instructions
    assert wake_at(state) == 95.0
    _, instructions = advance_life(state, RunEnded(90.5, 1, took_s=88.5, interrupted=True))
    assert instructions[:2] == [ChirpCounters(1, 0, OUTLIVED, held(1)), Settle(1, Settlement.REJECT)]
    error = f"RuntimeError: 1 TASK(S) FAILED: {OUTLIVED}"
    assert instructions[2:] == [ChirpStatus(PilotStatus.FATAL_ERROR, error), LeaveProcess(1)]


def test_at_the_last_attempt_a_task_that_had_a_whole_life_becomes_a_dead_letter() -> None:
    state, _ = lived(WORKER, EventArrived(2.0, held(1, attempt=5)), Tick(90.0))
    state, instructions = advance_life(state, RunEnded(90.5, 1, took_s=88.5, interrupted=True))
    assert PublishDeadLetter(1, OUTLIVED, 5) in instructions
    _, instructions = advance_life(state, PublishConfirmed(91.0, 1))
    assert instructions[0] == Settle(1, Settlement.ACK)


@pytest.mark.parametrize("began_s", [15.0, 40.0, 89.9])
def test_an_event_that_was_begun_late_goes_back_uncounted(began_s: float) -> None:
    state, _ = lived(WORKER, EventArrived(began_s, held(1)), Tick(90.0))
    _, instructions = advance_life(state, RunEnded(90.2, 1, took_s=90.2 - began_s, interrupted=True))
    assert instructions == [Settle(1, Settlement.RETURN), ChirpStatus(PilotStatus.DONE), LeaveProcess(0)]
    (settle,) = [each for each in instructions if isinstance(each, Settle)]
    assert settle.failure == task_cut_off(100.0), "its history tells what became of it"


def test_each_of_several_tasks_is_judged_by_its_own_time() -> None:
    policy = with_policy(runtime_s=100.0, ends_s=90.0, concurrency=2)
    state, _ = lived(policy, EventArrived(1.0, held(1)), EventArrived(30.0, held(2)), Tick(90.0))
    state, instructions = advance_life(state, RunEnded(90.5, 2, took_s=60.5, interrupted=True))
    assert instructions == [Settle(2, Settlement.RETURN)]
    _, instructions = advance_life(state, RunEnded(90.6, 1, took_s=89.6, interrupted=True))
    assert Settle(1, Settlement.REJECT) in instructions


def test_a_task_that_is_done_in_the_last_moment_has_succeeded() -> None:
    state, _ = lived(WORKER, EventArrived(1.0, held(1)), Tick(90.0))
    _, instructions = advance_life(state, RunEnded(90.1, 1, took_s=89.1))
    assert instructions[0] == Settle(1, Settlement.ACK)


def test_a_stop_that_was_asked_for_charges_nobody() -> None:
    state, _ = lived(WORKER, EventArrived(0.0, held(1)), StopAsked(60.0), Tick(80.0))
    _, instructions = advance_life(state, RunEnded(80.1, 1, took_s=80.1, interrupted=True))
    assert instructions[0] == Settle(1, Settlement.RETURN)


def test_a_long_start_of_the_worker_is_not_charged_to_the_event() -> None:
    state, _ = begin_life(with_policy(runtime_s=100.0, ends_s=90.0, has_init=True), 0.0)
    for stimulus in (InitEnded(60.0), Tick(60.0), EventArrived(60.0, held(1)), Tick(90.0)):
        state, _ = advance_life(state, stimulus)
    _, instructions = advance_life(state, RunEnded(90.1, 1, took_s=30.1, interrupted=True))
    assert instructions[0] == Settle(1, Settlement.RETURN)


def test_an_init_run_longer_than_the_worker_lives_is_named() -> None:
    state, _ = begin_life(with_policy(runtime_s=100.0, ends_s=90.0, has_init=True), 0.0)
    assert wake_at(state) == 90.0
    state, instructions = advance_life(state, Tick(90.0))
    assert instructions == [KillAll()]
    _, instructions = advance_life(state, InitEnded(90.2))
    assert instructions == [ChirpStatus(PilotStatus.FATAL_ERROR, str(init_too_long_failure(100.0))), LeaveProcess(1)]


def test_a_source_that_had_a_whole_life_is_told() -> None:
    state, _ = begin_life(with_policy(runtime_s=100.0, ends_s=90.0, source=True), 1.0)
    state, instructions = advance_life(state, Tick(90.0))
    assert instructions == [KillAll()]
    _, instructions = advance_life(state, RunEnded(90.2, 0, took_s=89.2, interrupted=True))
    assert any(isinstance(each, ChirpCounters) and each.failure == OUTLIVED for each in instructions)
    assert instructions[-1] == LeaveProcess(1)


def test_the_quarantine_of_a_bad_worker_ends_with_its_runtime() -> None:
    policy = with_policy(runtime_s=100.0, ends_s=90.0, stop_on_error=True, quarantine_s=600.0)
    state, _ = lived(policy, EventArrived(0.0, held(1)), RunEnded(1.0, 1, took_s=1.0, failure=OUTLIVED))
    assert state.stage is Stage.QUARANTINED
    _, instructions = advance_life(state, Tick(90.0))
    assert instructions == [LeaveProcess(1)]


def test_the_error_is_the_same_for_every_event_and_names_the_remedy() -> None:
    assert str(OUTLIVED) == (
        "TaskOutlivedWorker('the task ran longer than its worker lives (100 s): "
        "raise max_worker_runtime, or give each event less to do')"
    )


@given(
    runtime_s=st.floats(1, 1e6),
    starts_s=st.floats(0, 0.6),
    durations=st.lists(st.floats(0.001, 0.5), max_size=12),
)
def test_tasks_shorter_than_those_before_them_are_never_cut(
    runtime_s: float, starts_s: float, durations: list[float]
) -> None:
    """A pilot that has seen the longest task begins none that its end would cut. Times are parts of the runtime."""
    ends_s = end_of_work_s(0.0, runtime_s)
    assert ends_s is not None
    policy = with_policy(runtime_s=runtime_s, ends_s=ends_s, first_timeout_s=2e6, idle_timeout_s=2e6)
    now_s = starts_s * runtime_s
    state, _ = begin_life(policy, now_s)
    state, _ = advance_life(state, Tick(now_s))
    longest_s = 0.0
    for key, part in enumerate(durations, 1):
        took_s = part * runtime_s
        state, instructions = advance_life(state, EventArrived(now_s, held(key)))
        if Start(key) not in instructions:
            assert now_s + longest_s >= ends_s, "an event was refused though there was time for it"
            return
        if now_s + took_s > ends_s:
            assert took_s > longest_s, "a task was begun that its worker's end cuts"
            return
        now_s += took_s
        longest_s = max(longest_s, took_s)
        state, _ = advance_life(state, RunEnded(now_s, key, took_s=took_s))


def test_a_policy_has_no_end_unless_it_is_given_one() -> None:
    assert Policy(1, 1, 1, 1, 1).ends_s is None
