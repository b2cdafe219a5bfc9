"""Read instants in queries. (core)"""

from datetime import UTC, datetime

from schemas.errors import Rejected

#: The years of instants in a query. All arithmetic with them stays within what a datetime can hold.
_YEARS = range(1971, 9999)


def parse_instant(name: str, text: str) -> datetime:
    """Return `text`, which is the parameter `name` of a query, as an instant in UTC.

    Raises:
        Rejected: it is no instant, has no time zone, or lies outside the years that are possible.
    """
    try:
        # In a query, the plus of a time zone may have become a space.
        at = datetime.fromisoformat(text.replace(" ", "+")) if text.isascii() else None
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise Rejected(f"'{name}': must be an instant with a time zone, such as 2026-11-30T08:00:00Z")
    if at.year not in _YEARS:
        raise Rejected(f"'{name}': must be in the years {_YEARS[0]} to {_YEARS[-1]}")
    return at.astimezone(UTC)
