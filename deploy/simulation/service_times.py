"""Draw how long runs of a task take, from the buckets of a report. (core)

A report counts runs by buckets, and knows their exact mean. Within a bucket we assume an even spread on a logarithmic
scale. Then we stretch all times a little, so that their mean is the report's.

The times are drawn in blocks. Each block has one time of each of its quantiles, in random order. So a hundred runs take
nearly the same time together with every seed, and the order of short and long runs differs.
"""

import math
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate

from schemas.api.workflows.report import ServiceTimes

_MOST_IN_A_BLOCK = 500

#: Shuffles a list in place.
Shuffle = Callable[[list[float]], None]


def draw_times(buckets: Sequence[ServiceTimes], *, mean_s: float, n_runs: int, shuffle: Shuffle) -> Iterator[float]:
    """Yield times in seconds without end. About `n_runs` of them will be used.

    `buckets` are in ascending order, and have one run at least. Without buckets, each run takes `mean_s`.
    """
    n_in_block = max(1, min(_MOST_IN_A_BLOCK, n_runs))
    quantiles = [(i + 0.5) / n_in_block for i in range(n_in_block)]
    plain = [find_quantile(buckets, each) for each in quantiles] if buckets else [mean_s]
    stretch = mean_s * len(plain) / math.fsum(plain) if buckets else 1.0
    while True:
        block = [each * stretch for each in plain]
        shuffle(block)
        yield from block


def find_quantile(buckets: Sequence[ServiceTimes], quantile: float) -> float:
    """Return the time in seconds that the share `quantile` of the runs does not exceed."""
    ends = list(accumulate(each.n for each in buckets))
    place = quantile * ends[-1]
    index = min(bisect_right(ends, place), len(buckets) - 1)
    bucket = buckets[index]
    within = (place - (ends[index] - bucket.n)) / bucket.n
    return bucket.at_least_s * math.pow(bucket.below_s / bucket.at_least_s, within)


class EvenShare:
    """Chooses a share of many things evenly: 0.3 chooses 30, give or take one, of any hundred things in a row."""

    def __init__(self, share: float, phase: float) -> None:
        """`share` may be above 1. `phase`, from 0 to 1, moves the first one."""
        self._share = share
        self._sum = phase

    def count_next(self) -> int:
        """Return how often the next thing counts: 0 or 1 for a share below 1."""
        before = math.floor(self._sum)
        self._sum += self._share
        return math.floor(self._sum) - before
