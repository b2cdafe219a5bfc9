"""A span of OpenTelemetry that is over, without the SDK."""

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class FinishedSpan:
    """A span of work that another process did. Ids are of 128 and 64 bits; `parent_id` 0: it has no parent."""

    name: str
    trace_id: int
    span_id: int
    parent_id: int
    started_at: datetime
    ended_at: datetime
    attributes: dict[str, str | int | float] = field(default_factory=dict)
    error: str = ""
