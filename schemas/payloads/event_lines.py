"""Read events from JSON lines, which have one JSON value each. Errors name line, rule and remedy. (core)"""

import json
from typing import Any

from schemas.errors import Rejected
from schemas.payloads.json_text import load_json


def parse_line(content: str, where: str, *, remedy: str) -> Any:
    """Return the value of the line `content`. `where` names the line in errors, such as "line 7".

    Raises:
        Rejected: the line is not JSON. `remedy` says what to write instead of a bare text.
    """
    try:
        return load_json(content)
    except json.JSONDecodeError as error:
        raise Rejected(
            f"{where}: not JSON ({error.msg} at column {error.colno}); every line must be one JSON value", hint=remedy
        ) from error
    except ValueError as error:
        raise Rejected(f"{where}: not JSON that can be sent: {error}", hint=remedy) from error


def read_key(payload: Any, field: str | None, where: str, *, option: str = "--key") -> Any:
    """Return the value of `field` in `payload`, which is the key of the event. Return None if `field` is None.

    `option` is the caller's name for the choice of the field.

    Raises:
        Rejected: the payload has no such field.
    """
    if field is None:
        return None
    if not isinstance(payload, dict):
        raise Rejected(
            f"{where}: {option} {field} needs an object on every line, and this line has none",
            hint=f"leave {option} out",
        )
    if field not in payload:
        have = ", ".join(name[:64] for name in list(payload)[:10]) or "none"
        raise Rejected(f"{where}: the event has no field {field!r} for its key", hint=f"its fields: {have}")
    return payload[field]
