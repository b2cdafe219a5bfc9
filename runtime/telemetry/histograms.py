"""A histogram of times that others have measured, and counted in buckets already.

Prometheus's own histogram takes one time after the other. This one adds many at once, without their single values.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from threading import Lock

from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import REGISTRY, Collector, CollectorRegistry


class CountedHistogram(Collector):
    """A histogram whose buckets end at `ends`, and at infinity."""

    def __init__(
        self, name: str, description: str, ends: Sequence[float], *, registry: CollectorRegistry = REGISTRY
    ) -> None:
        self._name = name
        self._description = description
        self._ends = (*ends, float("inf"))
        self._counts: Counter[float] = Counter()
        self._total = 0.0
        #: Several threads add, and the one of a scrape reads.
        self._lock = Lock()
        registry.register(self)

    def add_counts(self, counts: Mapping[float, int], total: float) -> None:
        """Add times: how many there are of each length at most, and their sum."""
        with self._lock:
            for longest, n in counts.items():
                self._counts[next(end for end in self._ends if longest <= end)] += n
            self._total += total

    def describe(self) -> Iterable[HistogramMetricFamily]:
        """Return the metric without its values."""
        return [HistogramMetricFamily(self._name, self._description)]

    def collect(self) -> Iterable[HistogramMetricFamily]:
        """Return the metric with its values."""
        with self._lock:
            counts, total = self._counts.copy(), self._total
        n_so_far, buckets = 0, []
        for end in self._ends:
            n_so_far += counts[end]
            buckets.append(("+Inf" if end == float("inf") else repr(end), float(n_so_far)))
        return [HistogramMetricFamily(self._name, self._description, buckets=buckets, sum_value=total)]
