"""Drawn times follow the buckets of the report, and have its mean."""

from itertools import islice
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.simulation.service_times import EvenShare, draw_times, find_quantile
from schemas.api.workflows.report import ServiceTimes

BUCKETS = [ServiceTimes(at_least_s=1.0, below_s=2.0, n=3), ServiceTimes(at_least_s=8.0, below_s=16.0, n=1)]


@pytest.mark.parametrize(
    ("quantile", "expected_s"),
    [(0.0, 1.0), (0.375, 2**0.5), (0.7499999, 2.0), (0.75, 8.0), (0.875, 8 * 2**0.5), (1.0, 16.0)],
)
def test_a_quantile_lies_in_its_bucket(quantile: float, expected_s: float) -> None:
    assert find_quantile(BUCKETS, quantile) == pytest.approx(expected_s)


buckets = st.lists(st.tuples(st.integers(0, 30), st.integers(1, 50)), min_size=1, max_size=6).map(
    lambda found: [
        ServiceTimes(at_least_s=2 ** (b / 2), below_s=2 ** ((b + 1) / 2), n=n) for b, n in sorted(dict(found).items())
    ]
)


@given(buckets, st.floats(0.01, 1e4), st.integers(1, 2000), st.integers(0, 9))
def test_a_block_of_times_has_the_mean_of_the_report(
    found: list[ServiceTimes], mean_s: float, n_runs: int, seed: int
) -> None:
    n_in_block = min(500, n_runs)
    drawn = list(islice(draw_times(found, mean_s=mean_s, n_runs=n_runs, shuffle=Random(seed).shuffle), 2 * n_in_block))
    for block in (drawn[:n_in_block], drawn[n_in_block:]):
        assert sum(block) / n_in_block == pytest.approx(mean_s)
        assert max(block) / min(block) <= found[-1].below_s / found[0].at_least_s * 1.0001


def test_without_buckets_each_run_takes_the_mean() -> None:
    assert list(islice(draw_times([], mean_s=0.0, n_runs=10, shuffle=Random(0).shuffle), 2)) == [0.0] * 2
    assert list(islice(draw_times([], mean_s=3.0, n_runs=10, shuffle=Random(0).shuffle), 3)) == [3.0] * 3


def test_seeds_order_the_same_times_differently() -> None:
    one, other = (
        list(islice(draw_times(BUCKETS, mean_s=3.0, n_runs=40, shuffle=Random(seed).shuffle), 40)) for seed in (1, 2)
    )
    assert one != other
    assert sorted(one) == pytest.approx(sorted(other))


@given(st.floats(0, 3), st.floats(0, 0.999), st.integers(1, 400))
def test_any_stretch_of_things_has_its_share(share: float, phase: float, n: int) -> None:
    counted = EvenShare(share, phase)
    numbers = [counted.count_next() for _ in range(2 * n)]
    assert sum(numbers[n:]) == pytest.approx(share * n, abs=1.001)
