"""Read the clock as MongoDB keeps time."""

from datetime import datetime

from runtime.clock import utc_now


def read_clock() -> datetime:
    """Return the time in whole milliseconds: what is held in memory must be what is stored."""
    now = utc_now()
    return now.replace(microsecond=now.microsecond // 1000 * 1000)
