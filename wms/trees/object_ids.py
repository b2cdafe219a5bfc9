"""Read the ids of templates, jobs and other objects from requests. (core)"""

from typing import Any

MAX_ID = 10**15
_MAX_DIGITS = len(str(MAX_ID))


def read_object_id(raw: Any) -> int | None:
    """Return the id that `raw` is, as a number or as a text of digits; None: no object can have it."""
    if isinstance(raw, str):
        if not (len(raw) <= _MAX_DIGITS and raw.isascii() and raw.isdecimal()):
            return None
        raw = int(raw)
    return raw if type(raw) is int and 0 < raw <= MAX_ID else None


def is_like_id(raw: Any) -> bool:
    """Return whether `raw` is meant as an id, and not as a name."""
    return type(raw) is int or (isinstance(raw, str) and raw.isdecimal())
