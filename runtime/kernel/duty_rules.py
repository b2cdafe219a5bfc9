"""Decide whether a process that stands by may take over the work of its service. (core)"""

from dataclasses import dataclass

#: How long the holder must be silent before another process takes over, in seconds.
SILENT_S = 5.0


@dataclass(frozen=True, slots=True)
class DutyDocument:
    """Who does the work of a service. An empty `holder`: the last one has ended cleanly."""

    holder: str
    process: str
    n: int


@dataclass(frozen=True, slots=True)
class Sighting:
    """What a process that stands by saw of the holder, and since when it has not changed, on its own clock."""

    duty: DutyDocument
    since_s: float


def update_sighting(seen: Sighting | None, found: DutyDocument, now_s: float) -> Sighting:
    """Return what this process knows after it has read `found`."""
    return seen if seen is not None and seen.duty == found else Sighting(found, now_s)


def may_take(seen: Sighting, now_s: float, *, is_gone: bool) -> bool:
    """Return whether a process that stands by may take over. `is_gone`: the holder's process has ended."""
    return not seen.duty.holder or is_gone or now_s - seen.since_s >= SILENT_S
