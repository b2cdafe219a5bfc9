"""Reduce a series to the points of a plot. (core)

A point stands for the stretch of time before it. It has the highest depths of the stretch, so that no peak gets lost,
and the exact rates over it.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import pairwise

from mqs.history.samples import STANDS_FOR_S, Series
from schemas.questions.queues import QueuePoints


def make_points(series: Series, *, since_s: int, until_s: int, n_points: int) -> QueuePoints:
    """Return at most `n_points` points of `series` from `since_s` until `until_s`, at equal distances.

    In a stretch without a sample nothing changed, but the oldest event became older. If the sample before it is too old
    to stand for it, nothing was counted there, and the stretch has no point.
    """
    times = series.at_s
    points = QueuePoints()
    if not times or n_points < 1 or until_s <= since_s:
        return points
    n = min(n_points, until_s - since_s)
    edges = [since_s + (until_s - since_s) * place // n for place in range(n + 1)]
    for begin_s, end_s in pairwise(edges):
        first, last = bisect_right(times, begin_s), bisect_right(times, end_s)
        if first == last:
            # No sample lies in the stretch. An earlier one stands for it if it is recent enough.
            if not last or begin_s - times[last - 1] > STANDS_FOR_S:
                continue
            first = last - 1
        columns = series.columns
        points.at_s.append(end_s)
        points.n_ready.append(max(columns["n_ready"][first:last]))
        points.n_unacknowledged.append(max(columns["n_unacknowledged"][first:last]))
        points.n_delayed.append(max(columns["n_delayed"][first:last]))
        points.n_consumers.append(columns["n_consumers"][last - 1])
        points.oldest_s.append(max(*columns["oldest_s"][first:last], _find_age(series, last - 1, end_s)))
        points.in_per_s.append(measure_rate(times, columns["n_arrived"], begin_s, end_s))
        points.out_per_s.append(measure_rate(times, columns["n_left"], begin_s, end_s))
    return points


def measure_rate(times: Sequence[int], counts: Sequence[int], begin_s: int, end_s: int) -> float:
    """Return how many events a second came or went from `begin_s` until `end_s`, as far as samples tell.

    Between two samples the count grows evenly. A count that became smaller shows that the broker or the queue began
    anew: the rate is then 0.
    """
    begin_s, end_s = max(begin_s, times[0]), min(end_s, times[-1])
    if end_s <= begin_s:
        return 0.0
    n = _find_count(times, counts, end_s) - _find_count(times, counts, begin_s)
    return round(max(0.0, n) / (end_s - begin_s), 3)


def _find_count(times: Sequence[int], counts: Sequence[int], at_s: int) -> float:
    """Return the count at `at_s`, which is not before the first sample and not after the last one."""
    before = bisect_right(times, at_s) - 1
    if times[before] == at_s:
        return counts[before]
    share = (at_s - times[before]) / (times[before + 1] - times[before])
    return counts[before] + (counts[before + 1] - counts[before]) * share


def _find_age(series: Series, place: int, at_s: int) -> int:
    """Return how old the oldest event of the sample at `place` is at `at_s`, in seconds; 0 without events."""
    sample = series.read_sample(place)
    is_empty = not (sample.n_ready or sample.n_unacknowledged or sample.n_delayed)
    return 0 if is_empty else sample.oldest_s + min(at_s - sample.at_s, STANDS_FOR_S)


def cut_series(series: Series, since_s: int) -> Series:
    """Return the samples from `since_s` on, and the last one before, from which the first rate begins."""
    first = max(0, bisect_left(series.at_s, since_s) - 1)
    return Series({name: column[first:] for name, column in series.columns.items()})
