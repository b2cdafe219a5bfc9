"""Read JSON as RFC 8259 defines it. All task modes, publishers and consumers use this reader. (core)

Python's own reader accepts more: NaN and the infinities, a byte order mark, UTF-16 and UTF-32. Other readers refuse
these, so an event that has them would work in one task and fail in the next.
"""

import codecs
import json
from collections.abc import Sequence
from typing import Any, NoReturn

_MARKS = (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def load_json(text: bytes | str, *, unique_names: bool = False) -> Any:
    """Return the value of the JSON `text`.

    Raises:
        ValueError: `text` is not JSON in UTF-8, or, with `unique_names`, an object has a name twice. The error says
            why.
    """
    if isinstance(text, bytes | bytearray):
        if text.startswith(_MARKS):
            raise ValueError("it begins with a byte order mark; JSON must be UTF-8 without one")
        try:
            text = text.decode()
        except UnicodeDecodeError as error:
            raise ValueError(f"byte {error.start + 1} is not UTF-8") from error
    try:
        hook = _refuse_duplicates if unique_names else None
        return json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=hook)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def _refuse_duplicates(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    members: dict[str, Any] = {}
    for name, value in pairs:
        if name in members:
            raise ValueError(f"it has the field {name[:64]!r} twice in one object; leave one of the two out")
        members[name] = value
    return members


def _refuse_constant(word: str) -> NoReturn:
    raise ValueError(f"JSON has no {word}; write null or a text")
