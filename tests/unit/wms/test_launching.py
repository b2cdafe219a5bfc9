"""The order of starts."""

from hypothesis import given
from hypothesis import strategies as st

from wms.fleet.launching import PATIENCE, WINDOW, n_free, rank

T = 1_795_000_000.0


def test_higher_priority_goes_first() -> None:
    assert rank(priority=51, n_failures=0, timestamp=T) < rank(priority=50, n_failures=0, timestamp=T - 1)


def test_of_equal_priority_the_one_with_fewer_failures_goes_first_then_the_older() -> None:
    older_failed = rank(priority=50, n_failures=1, timestamp=T - 10)
    younger = rank(priority=50, n_failures=0, timestamp=T)
    assert younger < older_failed
    assert rank(priority=50, n_failures=0, timestamp=T - 1) < younger


def test_two_failures_do_not_outweigh_a_point_of_priority() -> None:
    assert rank(priority=51, n_failures=2, timestamp=T) < rank(priority=50, n_failures=0, timestamp=T)


@given(st.integers(0, 200), st.integers(0, 200))
def test_nothing_starves_a_minute_of_waiting_is_worth_a_point(low: int, high: int) -> None:
    waited_long_enough = T - 60 * (max(low, high) - min(low, high)) - 1
    assert rank(priority=min(low, high), n_failures=0, timestamp=waited_long_enough) < rank(
        priority=max(low, high), n_failures=0, timestamp=T
    )


def test_the_window_holds_four_unanswered_starts() -> None:
    assert [n_free([1] * n) for n in range(6)] == [WINDOW, 3, 2, 1, 0, 0]


def test_a_start_that_is_never_answered_gives_its_place_up() -> None:
    assert n_free([PATIENCE + 1] * WINDOW) == WINDOW
    assert n_free([PATIENCE] * WINDOW) == 0
