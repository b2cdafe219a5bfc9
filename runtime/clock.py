"""The services' clock. Shells read it and pass the time on; a core gets the time as an argument."""

from datetime import UTC, datetime


def utc_now() -> datetime:
    """Return the time now, in UTC."""
    return datetime.now(UTC)
