"""Read durations as people write them: `90`, `"90"`, `"1.5h"`, `"2h30m"`, or a timedelta. (core)

Units are ms, s, m, h and d; a number without a unit is in seconds.
"""

import re
from datetime import timedelta

_PART = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)", re.IGNORECASE | re.ASCII)
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}

Duration = float | str | timedelta


def parse_seconds(duration: Duration) -> float:
    """Return `duration` in seconds; a bare number is seconds already.

    Raises:
        ValueError: it is not a duration, or is negative or infinite.
    """
    if isinstance(duration, timedelta):
        value = duration.total_seconds()
    elif isinstance(duration, str):
        value = _parse_text(duration.strip())
    else:
        value = float(duration)
    if not 0 <= value < float("inf"):
        raise ValueError(f"not a duration: {duration!r}; write for example 90, '45s', '30m' or '1h30m'")
    return value


def _parse_text(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        parts = _PART.findall(text)
        if not parts or _PART.sub("", text).strip():
            raise ValueError(f"not a duration: {text!r}; write for example 90, '45s', '30m' or '1h30m'") from None
        return sum(float(number) * _SECONDS[unit.lower()] for number, unit in parts)
