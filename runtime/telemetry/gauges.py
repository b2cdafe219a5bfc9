"""A gauge whose values are counted together, and disappear when no new count comes.

A plain gauge keeps its last value for ever: if a database stops answering, its old numbers look like new ones. This
gauge shows no value instead, and a label that the last count did not have is gone at once. Alerts stay silent without a
value. So each service that counts shows the time of its last count in a plain gauge, which has an alert of its own.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import REGISTRY, Collector, CollectorRegistry

#: For how many seconds a count is shown, if counts come several times a minute.
LIFE_S = 90.0
#: A count is shown at least until so many later ones have failed to come.
_N_INTERVALS = 4


class FreshGauge(Collector):
    """A gauge that shows the values of the last count, for `life_s` seconds."""

    def __init__(
        self,
        name: str,
        description: str,
        labels: Sequence[str] = (),
        *,
        life_s: float = LIFE_S,
        clock: Callable[[], float] = time.monotonic,
        registry: CollectorRegistry = REGISTRY,
    ) -> None:
        self._name = name
        self._description = description
        self._labels = tuple(labels)
        self._life_s = life_s
        self._clock = clock
        #: The time of the last count, and its values. One assignment replaces both: a scrape may run in between.
        self._counted: tuple[float, Mapping[tuple[str, ...], float]] = (clock(), {})
        registry.register(self)

    def expect_counts(self, *, every_s: float) -> None:
        """Show each count for a few times `every_s` seconds, and for `LIFE_S` seconds at least."""
        self._life_s = max(LIFE_S, _N_INTERVALS * every_s)

    def replace_values(self, values: Mapping[tuple[str, ...], float]) -> None:
        """Show `values` from now on, and no others. A key has one text for each label."""
        self._counted = (self._clock(), dict(values))

    def set_value(self, value: float) -> None:
        """Show `value` from now on. This is for a gauge without labels."""
        self.replace_values({(): value})

    def describe(self) -> Iterable[GaugeMetricFamily]:
        """Return the metric without its values."""
        return [GaugeMetricFamily(self._name, self._description, labels=self._labels)]

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """Return the metric with the values of the last count, if it is new enough."""
        family = GaugeMetricFamily(self._name, self._description, labels=self._labels)
        counted_at, values = self._counted
        if self._clock() - counted_at <= self._life_s:
            for labels, value in values.items():
                family.add_metric(labels, value)
        return [family]
