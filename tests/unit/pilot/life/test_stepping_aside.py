"""A pilot that may be on a bad worker leaves what it has charged to others, unless the task fails everywhere."""

from dataclasses import replace

import pytest

from pilot.failures.container_failures import container_not_started
from pilot.life.instructions import Listen, PublishDeadLetter, Settle, Settlement, StopListening
from pilot.life.lifecycle import advance_life, wake_at
from pilot.life.state import PilotState, Stage
from pilot.life.stimuli import EventArrived, RunEnded, Stimulus, Tick
from pilot.life.verdicts import OPEN_S
from schemas.broker.topology import MAX_ATTEMPTS
from tests.unit.pilot.life.test_lifecycle import FAILED, held, lived, with_policy

JUDGE = with_policy(max_failures_in_a_row=3, quarantine_s=300.0)
CHARGES = with_policy(max_failures_in_a_row=3, quarantine_s=300.0, charges_events=True)
#: How long the n-th attempt waits in its queue.
REDELIVERY_S = 1.0


def fail(key: int, now_s: float, *, attempt: int = 1, event: str = "") -> list[Stimulus]:
    found = replace(held(key), attempt=attempt)
    found = replace(found, event_id=type(found.event_id)(event)) if event else found
    return [EventArrived(now_s, found), RunEnded(now_s + 0.5, key, took_s=0.5, failure=FAILED)]


@pytest.mark.parametrize("attempt", range(1, MAX_ATTEMPTS))
def test_a_charged_event_goes_to_others_first(attempt: int) -> None:
    stimuli = fail(1, 1.0, attempt=attempt)
    if attempt == 1:
        stimuli.append(Tick(1.5 + OPEN_S))
    state, instructions = lived(JUDGE, *stimuli)
    assert instructions[-2:] == [Settle(1, Settlement.REJECT), StopListening()]
    back_s = wake_at(state)
    assert back_s is not None
    assert back_s - (1.5 + OPEN_S * (attempt == 1)) > attempt * REDELIVERY_S

    early, instructions = advance_life(state, Tick(back_s - 0.1))
    assert (instructions, early.stage) == ([], Stage.LISTENING), "it does not leave as one that is idle"
    late, instructions = advance_life(early, Tick(back_s))
    assert instructions == [Listen(1)]
    assert late.aside_until_s is None


def test_one_worker_alone_still_ends_an_event() -> None:
    state, _ = lived(JUDGE)
    now_s, gone = 1.0, []
    for attempt in range(1, MAX_ATTEMPTS + 1):
        for stimulus in fail(attempt, now_s, attempt=attempt, event="the last"):
            state, instructions = advance_life(state, stimulus)
            gone += [i for i in instructions if isinstance(i, PublishDeadLetter)]
        while state.open or state.aside_until_s is not None:
            now_s = wake_at(state) or 0.0
            state, _ = advance_life(state, Tick(now_s))
    assert gone, "the fifth attempt is its last"
    assert now_s < 60


def test_while_other_events_are_in_hand_it_goes_on() -> None:
    state, _ = lived(
        with_policy(max_failures_in_a_row=3, concurrency=2), EventArrived(1.0, held(7)), *fail(1, 1.0, attempt=2)
    )
    assert state.running
    assert state.aside_until_s is None
    state, instructions = advance_life(state, RunEnded(9.0, 7, took_s=8.0))
    assert Settle(7, Settlement.ACK) in instructions
    assert state.aside_until_s is None, "it has succeeded, so the event was at fault"


def test_after_a_success_nobody_steps_aside() -> None:
    state, _ = lived(
        JUDGE, EventArrived(1.0, held(1)), RunEnded(1.5, 1, took_s=0.5), *fail(2, 2.0), *fail(3, 3.0, attempt=3)
    )
    assert state.listening


def charged(*stimuli: Stimulus) -> tuple[PilotState, list[Settle]]:
    state, _ = lived(CHARGES)
    settled: list[Settle] = []
    for stimulus in stimuli:
        state, instructions = advance_life(state, stimulus)
        settled += [i for i in instructions if isinstance(i, Settle)]
    return state, settled


def test_where_the_task_fails_everywhere_each_failure_counts_at_once() -> None:
    state, settled = charged(*(s for key in range(1, 9) for s in fail(key, float(key))))
    assert settled == [Settle(key, Settlement.REJECT) for key in range(1, 9)]
    assert state.stage is Stage.LISTENING, "its worker is not judged"
    assert state.listening, "it does not step aside"


def test_a_failure_of_the_runtime_counts_too() -> None:
    broken = container_not_started("apptainer", "no space left on device")
    _, settled = charged(EventArrived(1.0, held(1)), RunEnded(1.5, 1, took_s=0.5, failure=broken))
    assert settled == [Settle(1, Settlement.REJECT)]


def test_after_its_own_success_it_judges_its_worker_as_any_other() -> None:
    succeeded = [EventArrived(1.0, held(1)), RunEnded(1.5, 1, took_s=0.5)]
    state, _ = charged(*succeeded, *(s for key in range(2, 30) for s in fail(key, float(key))))
    assert state.is_bad
