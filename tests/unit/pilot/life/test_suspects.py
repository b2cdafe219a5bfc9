"""Events that may kill their pilot: alone, after the others, and given up after a few."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilot.life.stimuli import HeldEvent
from pilot.life.suspects import GIVEN_UP_FROM, SUSPECT_FROM, choose_next, explain_kills
from schemas.ids import EventId
from schemas.payloads.data_events import DeadReason


def held(key: int, attempt: int = 1) -> HeldEvent:
    return HeldEvent(key, EventId(f"e{key}"), attempt, "q")


A, B, S, T = held(1), held(2), held(3, SUSPECT_FROM), held(4, SUSPECT_FROM)


@pytest.mark.parametrize(
    ("waiting", "busy", "n_free", "chosen"),
    [
        ((A, B), (), 1, [A]),
        ((S, A, B), (), 3, [A, B]),
        ((S,), (A,), 3, []),
        ((S,), (), 3, [S]),
        ((A, B), (S,), 3, []),
        ((), (), 3, []),
        ((A,), (B,), 0, []),
        # Which of two goes first turns round with the attempt.
        ((S, T), (), 2, [S]),
        ((held(3, SUSPECT_FROM + 1), held(4, SUSPECT_FROM + 1)), (), 2, [held(4, SUSPECT_FROM + 1)]),
        ((held(3, SUSPECT_FROM + 1), T), (), 2, [T]),
    ],
)
def test_which_events_start(
    waiting: tuple[HeldEvent, ...], busy: tuple[HeldEvent, ...], n_free: int, chosen: list[HeldEvent]
) -> None:
    assert choose_next(waiting, busy, n_free) == chosen


@given(n=st.integers(1, 8), killer=st.integers(0, 7), n_slots=st.integers(1, 8))
def test_an_event_that_kills_its_pilots_takes_no_other_event_with_it(n: int, killer: int, n_slots: int) -> None:
    """Pilot after pilot takes all that there are; when the killer runs, all that is in hand has come to nothing."""
    killer %= n
    attempts = dict.fromkeys(range(n), 1)
    done, dead, n_pilots = set(), set(), 0
    while attempts:
        n_pilots += 1
        waiting = [held(key, attempt) for key, attempt in sorted(attempts.items())]
        for event in [event for event in waiting if explain_kills(event)]:
            dead.add(event.key)
            del attempts[event.key]
            waiting.remove(event)
        while waiting:
            started = choose_next(waiting, (), n_slots)
            if any(event.key == killer for event in started):
                for event in waiting:
                    attempts[event.key] += 1
                break
            for event in started:
                done.add(event.key)
                del attempts[event.key]
                waiting.remove(event)
    assert dead == {killer}
    assert len(done) == n - 1
    assert n_pilots == GIVEN_UP_FROM


def test_the_reason_names_the_kills_and_the_remedy() -> None:
    assert explain_kills(held(1, GIVEN_UP_FROM - 1)) is None
    failure = explain_kills(held(1, GIVEN_UP_FROM))
    assert failure is not None
    assert failure.reason is DeadReason.KILLED_WORKERS
    assert failure.final
    assert "worker_memory" in failure.text
