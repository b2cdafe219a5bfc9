from hypothesis import given
from hypothesis import strategies as st

from runtime.amqp import full_jitter


@given(
    attempt=st.integers(0, 10**9),
    base_s=st.floats(0.001, 10),
    cap_s=st.floats(0.001, 600),
)
def test_a_wait_is_never_negative_nor_over_the_cap_however_long_the_outage(
    attempt: int, base_s: float, cap_s: float
) -> None:
    assert 0 <= full_jitter(attempt, base_s=base_s, cap_s=cap_s) <= cap_s


def test_waits_are_spread_over_the_whole_range_rather_than_around_its_end() -> None:
    waits = [full_jitter(10, base_s=1.0, cap_s=100.0) for _ in range(2000)]
    assert min(waits) < 5
    assert max(waits) > 95
    assert 45 < sum(waits) / len(waits) < 55


def test_the_first_repetitions_come_soon() -> None:
    assert max(full_jitter(0, base_s=0.5, cap_s=60.0) for _ in range(1000)) <= 0.5
    assert max(full_jitter(2, base_s=0.5, cap_s=60.0) for _ in range(1000)) <= 2.0
