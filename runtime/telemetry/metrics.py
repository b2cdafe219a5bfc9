"""Declare the process's metrics. Their names begin with `ewms_`."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Literal

from prometheus_client import Counter, Gauge, Histogram

from runtime.telemetry.gauges import FreshGauge
from runtime.telemetry.histograms import CountedHistogram

METRIC_PREFIX = "ewms_"


@dataclass(frozen=True, slots=True)
class MetricDeclaration:
    """One metric of EWMS, as the reference page lists it."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[str, ...]


#: The metrics of all modules that this process has imported, in the order of their declaration.
DECLARED_METRICS: list[MetricDeclaration] = []


def _declare(name: str, kind: Literal["counter", "gauge", "histogram"], text: str, labels: Sequence[str]) -> str:
    full_name = f"{METRIC_PREFIX}{name}"
    DECLARED_METRICS.append(MetricDeclaration(full_name, kind, text, tuple(labels)))
    return full_name


def counter(name: str, help: str, labels: Sequence[str] = ()) -> Counter:  # noqa: A002 - Prometheus' own word
    """Create the counter `ewms_<name>`, and return it. Call this once for each name, at module level."""
    return Counter(_declare(name, "counter", help, labels), help, labels)


def gauge(name: str, help: str, labels: Sequence[str] = ()) -> Gauge:  # noqa: A002 - Prometheus' own word
    """Create the gauge `ewms_<name>`, and return it. Call this once for each name, at module level."""
    return Gauge(_declare(name, "gauge", help, labels), help, labels)


def fresh_gauge(name: str, help: str, labels: Sequence[str] = ()) -> FreshGauge:  # noqa: A002 - Prometheus' own word
    """Create the gauge `ewms_<name>`, whose values disappear if no new count comes, and return it. Call this once for
    each name, at module level.
    """
    return FreshGauge(_declare(name, "gauge", help, labels), help, labels)


def histogram(
    name: str,
    help: str,  # noqa: A002 - Prometheus' own word
    labels: Sequence[str] = (),
    buckets: Sequence[float] = Histogram.DEFAULT_BUCKETS,
) -> Histogram:
    """Create the histogram `ewms_<name>`, and return it. Call this once for each name, at module level."""
    return Histogram(_declare(name, "histogram", help, labels), help, labels, buckets=buckets)


def counted_histogram(
    name: str,
    help: str,  # noqa: A002 - Prometheus' own word
    ends: Sequence[float],
) -> CountedHistogram:
    """Create the histogram `ewms_<name>` of times that others have counted, and return it. Its buckets end at `ends`.

    Call this once for each name, at module level.
    """
    return CountedHistogram(_declare(name, "histogram", help, ()), help, ends)


_build = gauge("build_info", "1 for the running process: its service, and the version of EWMS.", ["service", "version"])


def note_build(service: str) -> None:
    """Show in the metrics which service this process is, and its version."""
    _build.labels(service, version("ewms")).set(1)
