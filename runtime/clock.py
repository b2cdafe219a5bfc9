"""The services' clock. Only shells read it; they pass the time to cores as an argument."""

from datetime import UTC, datetime


def utc_now() -> datetime:
    """Return the time now, in UTC."""
    return datetime.now(UTC)


def stored_now() -> datetime:
    """Return the time now in whole milliseconds, as MongoDB stores times.

    So the time is the same in memory, in an answer, and in the document that is read later.
    """
    now = utc_now()
    return now.replace(microsecond=now.microsecond // 1000 * 1000)
