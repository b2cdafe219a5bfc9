"""Short tasks get a look-ahead of about 20 ms of work, and keep it while their time changes little."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilot.life.lookahead import Pace, choose_prefetch, mark_long, update_pace
from schemas.pilot.prefetch import HELD_WORK_S, MOST_HELD

TIMES = st.lists(st.floats(0.0, 2.0), min_size=1, max_size=60)


def pace_after(times_s: list[float]) -> Pace:
    pace = Pace()
    for took_s in times_s:
        pace = update_pace(pace, took_s)
    return pace


@pytest.mark.parametrize(
    ("took_s", "concurrency", "held"),
    [
        (0.0, 1, 64),
        (0.001, 1, 17),
        (0.001, 4, 64),
        (0.005, 4, 20),
        (0.02, 4, 10),
        (0.2, 4, 10),
        (0.6, 4, 4),
        (0.001, 40, 82),
    ],
)
def test_the_look_ahead_follows_the_time_of_the_task(took_s: float, concurrency: int, held: int) -> None:
    assert choose_prefetch(pace_after([took_s] * 10), concurrency, None) == held


@given(TIMES, st.integers(1, 50))
def test_the_look_ahead_has_bounds_and_is_about_the_held_work(times_s: list[float], concurrency: int) -> None:
    pace = pace_after(times_s)
    n = choose_prefetch(pace, concurrency, None)
    assert concurrency <= n <= max(MOST_HELD, 2 * concurrency + 2)
    if n > 2 * concurrency + 2:
        assert pace.short
        assert (n / concurrency - 1) * pace.mean_s <= 2 * HELD_WORK_S


@given(TIMES, st.lists(st.floats(0.75, 1.25), min_size=20, max_size=60))
def test_a_steady_task_changes_its_subscription_at_most_once_more(times_s: list[float], factors: list[float]) -> None:
    pace = pace_after([*times_s, *[0.004] * 60])
    held = []
    for factor in factors:
        pace = update_pace(pace, 0.004 * factor)
        held.append(choose_prefetch(pace, 4, None))
    assert sum(one != other for one, other in pairwise(held)) <= 1


def test_a_task_that_becomes_long_gets_no_look_ahead() -> None:
    pace = mark_long(pace_after([0.001] * 10))
    assert choose_prefetch(pace, 4, None) == 4


def test_the_users_own_setting_wins() -> None:
    assert choose_prefetch(pace_after([0.001] * 10), 4, 7) == 7
    assert choose_prefetch(pace_after([0.001] * 10), 4, 2) == 4
