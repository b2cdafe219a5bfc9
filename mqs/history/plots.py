"""Reduce a series to the points of a plot. (core)

A point stands for the stretch of time before it. It has the highest depths of the stretch, so that no peak gets lost,
and the exact rates over it.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import pairwise

from mqs.history.samples import STANDS_FOR_S, Series
from schemas.requests import QueuePoints


def make_points(series: Series, *, since_s: int, until_s: int, n_points: int) -> QueuePoints:
    """Return at most `n_points` points of `series` from `since_s` until `until_s`, at equal distances.

    A stretch without a sample repeats the sample before it. If that one is too old to stand for it, nothing was counted
    there, and the stretch has no point.
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
        _add_point(points, series, end_s, first, last)
    return points


def _add_point(points: QueuePoints, series: Series, at_s: int, first: int, last: int) -> None:
    """Add a point at `at_s` for the samples from `first` on, before `last`."""
    columns = series.columns
    points.at_s.append(at_s)
    points.n_ready.append(max(columns["n_ready"][first:last]))
    points.n_unacknowledged.append(max(columns["n_unacknowledged"][first:last]))
    points.n_delayed.append(max(columns["n_delayed"][first:last]))
    points.n_consumers.append(columns["n_consumers"][last - 1])
    points.oldest_s.append(max(columns["oldest_s"][first:last]))
    points.in_per_s.append(measure_rate(series.at_s, columns["n_arrived"], first, last - 1))
    points.out_per_s.append(measure_rate(series.at_s, columns["n_left"], first, last - 1))


def measure_rate(times: Sequence[int], counts: Sequence[int], first: int, last: int) -> float:
    """Return how many events a second came or went between the sample before `first` and the sample `last`.

    A count that became smaller shows that the broker or the queue began anew: the rate is then 0.
    """
    before = first - 1 if first > 0 else first
    took_s = times[last] - times[before]
    n = counts[last] - counts[before]
    return round(n / took_s, 3) if took_s > 0 and n > 0 else 0.0


def cut_series(series: Series, since_s: int) -> Series:
    """Return the samples from `since_s` on, and the last one before, from which the first rate begins."""
    first = max(0, bisect_left(series.at_s, since_s) - 1)
    return Series({name: column[first:] for name, column in series.columns.items()})
