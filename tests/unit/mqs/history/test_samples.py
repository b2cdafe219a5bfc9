"""Samples in columns: packed, joined, reduced to points, and how large 30 days of them are."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mqs.history.oldest import OldestEvent
from mqs.history.plots import cut_series, make_points
from mqs.history.samples import (
    STANDS_FOR_S,
    QueueSample,
    Series,
    join_series,
    merge_peaks,
    pack_series,
    unpack_series,
)

NUMBERS = st.integers(0, 2**40)
SAMPLES = st.lists(st.builds(QueueSample, *([NUMBERS] * 8)), max_size=50)


def make_series(*samples: QueueSample) -> Series:
    series = Series()
    for sample in samples:
        series.add_sample(sample)
    return series


def steady(n: int, *, every_s: int = 15, begin_s: int = 0, per_s: int = 2) -> Series:
    """Return samples of a queue into which `per_s` events a second come, and that never loses one."""
    return make_series(
        *(
            QueueSample(begin_s + place * every_s, n_ready=place * every_s * per_s, n_arrived=place * every_s * per_s)
            for place in range(n)
        )
    )


@given(SAMPLES)
def test_a_packed_series_is_the_same_after_unpacking(samples: list[QueueSample]) -> None:
    series = make_series(*samples)
    assert unpack_series(pack_series(series)).columns == series.columns


def test_a_series_of_another_version_is_refused() -> None:
    import zlib

    with pytest.raises(ValueError, match="version 9"):
        unpack_series(zlib.compress(b"\x09\x00\x00\x00\x00"))


@given(st.lists(st.integers(1, 60), min_size=2, max_size=30), st.integers(1, 29))
def test_joined_parts_are_the_whole_whatever_their_order(steps: list[int], cut: int) -> None:
    times = [sum(steps[: place + 1]) for place in range(len(steps))]
    whole = make_series(*(QueueSample(at_s, n_ready=at_s) for at_s in times))
    cut = min(cut, len(times) - 1)
    # A document begins with the last sample of the one before.
    parts = [
        make_series(*(whole.read_sample(p) for p in places)) for places in (range(cut + 1), range(cut, len(times)))
    ]
    assert join_series(parts).columns == whole.columns
    assert join_series(parts[::-1]).columns == whole.columns
    assert join_series([whole, parts[0]]).columns == whole.columns


def test_a_minute_keeps_its_peaks_and_its_last_counts() -> None:
    before = QueueSample(10, n_ready=90, n_consumers=3, n_arrived=100, n_left=10, oldest_s=30)
    after = QueueSample(25, n_ready=5, n_unacknowledged=4, n_consumers=2, n_arrived=110, n_left=101)
    assert merge_peaks(before, after) == QueueSample(25, 90, 4, 0, 2, 110, 101, 30)


def test_points_have_the_peaks_of_their_stretch_and_exact_rates() -> None:
    samples = [QueueSample(at_s, n_ready=1, n_arrived=at_s * 3, n_left=at_s) for at_s in range(0, 601, 15)]
    samples[10] = QueueSample(150, n_ready=999, n_arrived=450, n_left=150)
    points = make_points(make_series(*samples), since_s=0, until_s=600, n_points=5)
    assert points.at_s == [120, 240, 360, 480, 600]
    assert points.n_ready == [1, 999, 1, 1, 1]
    assert points.in_per_s == [3.0] * 5
    assert points.out_per_s == [1.0] * 5


def test_an_unchanged_queue_is_drawn_on_and_a_gap_stays_a_gap() -> None:
    series = make_series(QueueSample(0, n_ready=7), QueueSample(STANDS_FOR_S, n_ready=7))
    points = make_points(series, since_s=0, until_s=4 * STANDS_FOR_S, n_points=8)
    assert points.at_s == [300, 600, 900, 1200, 1500], "what was counted last stands for ten minutes"
    assert set(points.n_ready) == {7}
    assert make_points(Series(), since_s=0, until_s=60, n_points=8).at_s == []
    assert make_points(series, since_s=60, until_s=60, n_points=8).at_s == []


def test_counts_that_begin_anew_are_no_rate() -> None:
    series = make_series(QueueSample(0, n_arrived=1000), QueueSample(15, n_arrived=3), QueueSample(30, n_arrived=33))
    points = make_points(series, since_s=0, until_s=30, n_points=2)
    assert points.in_per_s == [0.0, 2.0]


def test_a_cut_series_keeps_the_sample_from_which_its_first_rate_begins() -> None:
    assert list(cut_series(steady(10), 60).at_s) == [45, 60, 75, 90, 105, 120, 135]


def test_the_oldest_event_ages_and_is_forgotten_with_the_last() -> None:
    oldest = OldestEvent()
    assert oldest.note_counts(0, n_arrived=0, n_left=0, n_held=0) == 0
    assert oldest.note_counts(15, n_arrived=10, n_left=0, n_held=10) == 0
    assert oldest.note_counts(30, n_arrived=20, n_left=5, n_held=15) == 15, "some of the first ten are left"
    assert oldest.note_counts(45, n_arrived=20, n_left=10, n_held=10) == 15, "the oldest came between 15 and 30"
    assert oldest.note_counts(300, n_arrived=20, n_left=19, n_held=1) == 270
    assert oldest.note_counts(315, n_arrived=20, n_left=20, n_held=0) == 0


def test_the_memory_of_the_oldest_event_is_bounded() -> None:
    oldest = OldestEvent()
    for n in range(10_000):
        age_s = oldest.note_counts(n, n_arrived=n + 1, n_left=0, n_held=n + 1)
    assert len(oldest.marks) <= 129
    assert age_s == 9_999


def test_thirty_days_of_a_thousand_busy_queues_stay_below_a_gigabyte() -> None:
    """Each queue moves all the time, which is the worst case: a quiet queue writes nothing."""
    random.seed(13)
    n_arrived = n_left = 0
    series = Series()
    for place in range(360):
        n_arrived += random.randrange(5_000)
        n_left = min(n_arrived, n_left + random.randrange(5_000))
        held = n_arrived - n_left
        at_s = place * 60 + random.randrange(9)
        sample = QueueSample(at_s, held // 2, held // 3, held // 6, 40, n_arrived, n_left, 99)
        series.add_sample(sample)
    of_minutes = len(pack_series(series)) * 4 * 30
    of_a_day = len(pack_series(series)) / 360 * 4 * 60 * 24
    assert (of_minutes + of_a_day) * 1000 < 800e6, "documents and indexes need some more"
