"""Find values in a Python program's request that JSON cannot represent, each with its location. (core)"""

import math
from typing import Any

from schemas.rules.complaints import Complaint

#: Python prints no integer with more than 4300 digits, and no field accepts more than 16 digits.
_MAX_BITS = 4096


def replace_unwritable(value: Any) -> tuple[Any, list[Complaint]]:
    """Return `value` with null for each part that JSON cannot represent, and a complaint about each such part.

    Tuples become lists.

    Raises:
        RecursionError: `value` is nested too deeply, or contains itself.
    """
    found: list[Complaint] = []
    return _replace_value(value, "", found), found


def _replace_value(value: Any, where: str, found: list[Complaint]) -> Any:
    match value:
        case int() if value.bit_length() > _MAX_BITS:
            found.append(Complaint(where, "is a number with over a thousand digits", "write a smaller number"))
        case None | bool() | int() | str():
            return value
        case float() if math.isfinite(value):
            return value
        case float():
            found.append(Complaint(where, f"is {value}, which is not a number in JSON", "write a finite number"))
        case dict():
            if wrong := [key for key in value if not isinstance(key, str | int | float | bool | None)]:
                rule = f"has a name that is a {type(wrong[0]).__name__}, and names are texts"
                found.append(Complaint(where, rule, "write texts for its names"))
                return None
            return {key: _replace_value(member, _join_step(where, key), found) for key, member in value.items()}
        case list() | tuple():
            return [_replace_value(item, _join_step(where, n), found) for n, item in enumerate(value)]
        case set() | frozenset():
            found.append(Complaint(where, "is a set, which JSON cannot hold", "write a list: sorted(...)"))
        case bytes() | bytearray():
            found.append(Complaint(where, "is bytes, which JSON cannot hold", "write a text: .decode()"))
        case _:
            rule = f"is a {type(value).__name__}, which JSON cannot hold"
            found.append(Complaint(where, rule, "write a text, a number, a list or a dict; str(...) makes a text"))
    return None


def _join_step(where: str, step: object) -> str:
    name = "".join(c for c in str(step)[:64] if c.isprintable())
    return f"{where}.{name}" if where else name
