"""The order of starts."""

from hypothesis import given
from hypothesis import strategies as st

from wms.fleet.choices.tms_port import EVENTS
from wms.fleet.life.conditions import PATIENCE
from wms.fleet.life.start_order import choose_owners, count_free_starts, start_rank

WINDOW = EVENTS.start_window

T = 1_795_000_000.0


def test_higher_priority_goes_first() -> None:
    assert start_rank(priority=51, n_failures=0, timestamp=T) < start_rank(priority=50, n_failures=0, timestamp=T - 1)


def test_of_equal_priority_the_one_with_fewer_failures_goes_first_then_the_older() -> None:
    older_failed = start_rank(priority=50, n_failures=1, timestamp=T - 10)
    younger = start_rank(priority=50, n_failures=0, timestamp=T)
    assert younger < older_failed
    assert start_rank(priority=50, n_failures=0, timestamp=T - 1) < younger


def test_two_failures_do_not_outweigh_a_point_of_priority() -> None:
    assert start_rank(priority=51, n_failures=2, timestamp=T) < start_rank(priority=50, n_failures=0, timestamp=T)


@given(st.integers(0, 200), st.integers(0, 200))
def test_nothing_starves_a_minute_of_waiting_is_worth_a_point(low: int, high: int) -> None:
    waited_long_enough = T - 60 * (max(low, high) - min(low, high)) - 1
    assert start_rank(priority=min(low, high), n_failures=0, timestamp=waited_long_enough) < start_rank(
        priority=max(low, high), n_failures=0, timestamp=T
    )


def test_the_window_holds_four_unanswered_starts() -> None:
    assert [count_free_starts([1] * n, window=WINDOW) for n in range(6)] == [WINDOW, 3, 2, 1, 0, 0]


def test_a_start_that_is_never_answered_gives_its_place_up() -> None:
    assert count_free_starts([PATIENCE + 1] * WINDOW, window=WINDOW) == WINDOW
    assert count_free_starts([PATIENCE] * WINDOW, window=WINDOW) == 0


def test_the_next_start_is_of_the_user_with_the_fewest_under_way() -> None:
    assert choose_owners(["ada", "bob"], {"ada": 3}, {}, 1) == ["bob"]
    assert choose_owners(["ada", "bob"], {"ada": 3, "bob": 1}, {}, 3) == ["bob", "bob", "ada"]
    assert choose_owners(["ada"], {"bob": 4}, {}, 2) == ["ada", "ada"]
    assert choose_owners([], {"bob": 4}, {}, 2) == []


def test_of_users_with_equally_many_under_way_the_one_whose_turn_was_longest_ago_comes_first() -> None:
    assert choose_owners(["ada", "bob", "eve"], {}, {"ada": 3, "bob": 2}, 4) == ["eve", "bob", "ada", "eve"]


@given(
    st.sets(st.sampled_from("abcdefgh"), min_size=1),
    st.dictionaries(st.sampled_from("abcdefgh"), st.integers(0, 4)),
    st.integers(0, 60),
)
def test_turns_level_what_is_under_way(owners: set[str], under_way: dict[str, int], n: int) -> None:
    chosen = choose_owners(owners, under_way, {}, n)
    assert len(chosen) == n
    after = {owner: under_way.get(owner, 0) + chosen.count(owner) for owner in owners}
    for owner in set(chosen):
        assert after[owner] - 1 <= min(after.values())


def test_one_user_with_six_hundred_waiting_delays_another_by_no_more_than_a_window() -> None:
    under_way = {"ada": WINDOW}
    for answered in range(1, 3):
        (owner,) = choose_owners(["ada", "bob"], {"ada": WINDOW - answered}, {"ada": answered}, 1)
        assert owner == "bob"
    assert choose_owners(["ada", "bob"], under_way, {}, 0) == []
