"""What a service shows of itself: log lines, metrics, and spans if they are exported."""

from runtime.telemetry.log_lines import LogFormat, bind_event, configure_logging, log
from runtime.telemetry.metrics import (
    DECLARED_METRICS,
    MetricDeclaration,
    counted_histogram,
    counter,
    fresh_gauge,
    gauge,
    histogram,
    note_build,
)

__all__ = [
    "DECLARED_METRICS",
    "LogFormat",
    "MetricDeclaration",
    "bind_event",
    "configure_logging",
    "counted_histogram",
    "counter",
    "fresh_gauge",
    "gauge",
    "histogram",
    "log",
    "note_build",
]
