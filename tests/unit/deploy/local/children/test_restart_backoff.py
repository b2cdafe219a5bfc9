"""A child that ends at once is started again at once, then ever later, and never given up."""

from hypothesis import given
from hypothesis import strategies as st

from deploy.local.children.restart_backoff import HEALTHY_S, count_short_lives, delay_s


def test_delays_grow_from_nothing_to_half_a_minute() -> None:
    assert [delay_s(n) for n in range(1, 10)] == [0, 0.5, 1, 2, 4, 8, 16, 30, 30]


@given(n=st.integers(1, 10**9))
def test_there_is_always_a_next_start_within_half_a_minute(n: int) -> None:
    assert 0 <= delay_s(n) <= 30


def test_a_healthy_life_is_forgiven() -> None:
    assert count_short_lives(7, lived_s=HEALTHY_S - 1) == 8
    assert count_short_lives(7, lived_s=HEALTHY_S) == 1
