"""The slope of a process's memory, and what the soak calls a problem."""

import math
import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.campaigns.growth import MB, Growth, Sample, find_problems, growth_of, rate, restarts, slope

STEADY = Growth(
    name="mqs",
    is_ours=True,
    span_s=1440.0,
    mb_per_min=0.0,
    fds_per_min=0.0,
    first_mb=70.0,
    last_mb=70.0,
    peak_mb=71.0,
    n_fds=(16, 16),
    n_threads=(8, 8),
)
GOOD = {"restarted": {}, "left": {}, "n_confirmed": 10, "n_received": 10, "n_repeated": 0}


@pytest.mark.parametrize(
    ("points", "expected"),
    [
        ([], 0.0),
        ([(1.0, 5.0)], 0.0),
        ([(1.0, 5.0), (1.0, 9.0)], 0.0),
        ([(0.0, 1.0), (10.0, 21.0)], 2.0),
        ([(0.0, 3.0), (1.0, 3.0), (2.0, 3.0)], 0.0),
        ([(0.0, 9.0), (1.0, 7.0), (2.0, 5.0)], -2.0),
        # Not the line through the first and the last.
        ([(0.0, 0.0), (1.0, 4.0), (2.0, 2.0), (3.0, 0.0)], -0.2),
    ],
)
def test_the_slope_is_that_of_least_squares(points: list[tuple[float, float]], expected: float) -> None:
    assert slope(points) == pytest.approx(expected)


@given(
    st.floats(-100, 100), st.floats(-1000, 1000), st.lists(st.integers(0, 10_000), min_size=2, max_size=50, unique=True)
)
def test_a_straight_line_has_its_own_slope(gradient: float, offset: float, xs: list[int]) -> None:
    assert slope([(x, gradient * x + offset) for x in xs]) == pytest.approx(gradient, abs=1e-6)


def samples(mb_per_min: float, *, noise_mb: float = 0.0, minutes: int = 20, from_mb: float = 80.0) -> list[Sample]:
    chance = random.Random(7)
    return [
        Sample(at, int((from_mb + mb_per_min * at / 60 + chance.uniform(-noise_mb, noise_mb)) * MB), 20, 8)
        for at in range(0, minutes * 60, 5)
    ]


@pytest.mark.parametrize(
    ("mb_per_min", "is_flat"), [(0.0, True), (0.9, True), (-5.0, True), (1.1, False), (3.4, False)]
)
def test_a_leak_is_seen_through_the_noise(mb_per_min: float, is_flat: bool) -> None:
    found = growth_of("mqs", samples(mb_per_min, noise_mb=2.0), since_s=300.0, is_ours=True)
    assert found is not None
    assert math.isclose(found.mb_per_min, mb_per_min, abs_tol=0.1)
    assert found.is_flat is is_flat


def test_what_grew_while_it_warmed_up_does_not_count() -> None:
    warming = [Sample(at, at * MB, 20, 8) for at in range(0, 300, 5)]
    warm = [Sample(at, 300 * MB, 20, 8) for at in range(300, 900, 5)]
    found = growth_of("wms", warming + warm, since_s=300.0, is_ours=True)
    assert found is not None
    assert (found.mb_per_min, found.span_s, found.first_mb) == (0.0, 595.0, 300.0)
    assert growth_of("wms", warming, since_s=280.0, is_ours=True) is None
    assert growth_of("wms", [], since_s=0.0, is_ours=True) is None


@pytest.mark.parametrize(
    ("fds_per_min", "span_s", "is_flat"),
    [
        (0.5, 1440.0, True),
        (1.2, 1440.0, False),
        # Seven connections more are a pool's.
        (1.2, 360.0, True),
        (1.5, 360.0, False),
        # Nothing can be said of it yet.
        (5.0, 290.0, True),
    ],
)
def test_descriptors_that_grow_are_a_leak_unless_they_are_a_few(
    fds_per_min: float, span_s: float, is_flat: bool
) -> None:
    assert replace(STEADY, fds_per_min=fds_per_min, span_s=span_s).is_flat is is_flat


def test_only_our_own_processes_must_be_flat() -> None:
    grows = replace(STEADY, mb_per_min=2.0)
    assert find_problems([STEADY, replace(grows, name="mongod", is_ours=False)], **GOOD) == []
    assert "mqs grows: +2.00 MB" in find_problems([grows], **GOOD)[0]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"restarted": {"wms": 1, "tms": 0}}, "wms was restarted 1 times"),
        ({"left": {"queues": (0, 3), "WMS_DB.outbox": (2, 1)}}, "queues: 3 are left, and 0 were there before"),
        ({"n_received": 9}, "10 events were confirmed, 9 came back"),
        ({"n_repeated": 2}, "2 events came to the loop twice"),
    ],
)
def test_whatever_else_went_wrong_is_a_problem(change: dict[str, object], says: str) -> None:
    assert find_problems([STEADY], **{**GOOD, **change}) == [says]  # type: ignore[arg-type]


def test_a_rate_is_of_the_whole_time() -> None:
    assert rate([(0.0, 100), (5.0, 1000), (10.0, 600)]) == 50.0
    assert rate([(1.0, 5)]) == rate([(1.0, 5), (1.0, 7)]) == rate([]) == 0.0


def test_a_process_that_is_another_than_before_was_restarted() -> None:
    assert restarts([1, 1, 1]) == 0
    assert restarts([1, None, 2, 2]) == 2
    assert restarts([]) == 0
