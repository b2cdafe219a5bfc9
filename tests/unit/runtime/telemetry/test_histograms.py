"""A histogram adds times that others have counted, and Prometheus reads it like any other."""

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from runtime.telemetry.histograms import CountedHistogram


def read_lines(registry: CollectorRegistry) -> list[str]:
    return [line for line in generate_latest(registry).decode().splitlines() if not line.startswith("#")]


def test_buckets_are_cumulative_and_the_sum_is_the_one_that_was_given() -> None:
    registry = CollectorRegistry()
    times = CountedHistogram("took", "Times.", (0.5, 2.0), registry=registry)
    assert read_lines(registry) == [
        'took_bucket{le="0.5"} 0.0', 'took_bucket{le="2.0"} 0.0', 'took_bucket{le="+Inf"} 0.0',
        "took_count 0.0", "took_sum 0.0",
    ]  # fmt: skip
    times.add_counts({0.1: 3, 0.5: 1, 0.51: 1}, 1.5)
    times.add_counts({2.0: 2, 1000.0: 1}, 503.25)
    assert read_lines(registry) == [
        'took_bucket{le="0.5"} 4.0', 'took_bucket{le="2.0"} 7.0', 'took_bucket{le="+Inf"} 8.0',
        "took_count 8.0", "took_sum 504.75",
    ]  # fmt: skip


def test_two_metrics_cannot_have_one_name() -> None:
    registry = CollectorRegistry()
    CountedHistogram("took", "Times.", (1.0,), registry=registry)
    with pytest.raises(ValueError, match="Duplicated"):
        CountedHistogram("took", "Times.", (1.0,), registry=registry)
