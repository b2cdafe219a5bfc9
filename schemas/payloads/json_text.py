"""Read and write JSON as RFC 8259 defines it. All task modes, publishers and consumers use this. (core)

Python's own reader accepts more: NaN and the infinities, a byte order mark, UTF-16 and UTF-32. Other readers refuse
these, so an event that has them would work in one task and fail in the next.

orjson does the work where it is installed; it needs a tenth of the time. Where it differs from the standard library,
or refuses, the standard library decides, so both mean the same. A worker without orjson is only slower.
"""

import codecs
import json
from collections.abc import Sequence
from enum import Enum
from typing import Any, NoReturn
from uuid import UUID

try:
    import orjson
except ImportError:
    _loads = _dumps = None
else:
    _loads, _dumps = orjson.loads, orjson.dumps
    # orjson writes more kinds of objects than the standard library. These options leave out all but UUID and Enum.
    _OPTIONS = orjson.OPT_PASSTHROUGH_SUBCLASS | orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME

_MARKS = (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)

#: orjson reads an integer beyond 64 bits as a float. Such an integer has at least so many digits.
_DIGITS = bytes.maketrans(b"123456789", b"000000000")
_LONG, _LONG_NEGATIVE = b"0" * 20, b"-" + b"0" * 19

#: orjson writes NaN and the infinities as null.
_NULL = b"null"


class NestedTooDeeply(ValueError):
    """A value with more lists and objects inside each other than Python can read or write."""


def load_json(text: bytes | str, *, unique_names: bool = False) -> Any:
    """Return the value of the JSON `text`.

    Raises:
        ValueError: `text` is not JSON in UTF-8, or, with `unique_names`, an object has a name twice. The error says
            why.
    """
    if _loads is not None and type(text) is bytes and not unique_names and not _may_have_long_integer(text):
        try:
            return _loads(text)
        except ValueError:
            pass  # the standard library reads it, or says what is wrong
    return load_with_standard_library(text, unique_names=unique_names)


def dump_json(value: Any) -> bytes:
    """Return `value` as compact JSON in UTF-8. A UUID becomes a text, an Enum its value.

    Raises:
        TypeError: JSON cannot hold the value.
        ValueError: the value has NaN or an infinity, contains itself, or is nested too deeply.
    """
    if _dumps is not None:
        try:
            text = _dumps(value, option=_OPTIONS)
        except TypeError:
            pass  # the standard library writes it, or says what is wrong
        else:
            if _NULL not in text:
                return text
    return dump_with_standard_library(value)


def load_with_standard_library(text: bytes | str, *, unique_names: bool = False) -> Any:
    """Do what `load_json` does, without orjson."""
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
        raise NestedTooDeeply("it is nested too deeply") from error


def dump_with_standard_library(value: Any) -> bytes:
    """Do what `dump_json` does, without orjson."""
    try:
        return _encode_value(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        # UTF-8 has no bytes for half of a surrogate pair, but JSON can spell it in ASCII: "\ud800".
        return _encode_value(value, ensure_ascii=True).encode()
    except RecursionError as error:
        raise NestedTooDeeply("it is nested too deeply") from error


def _encode_value(value: Any, *, ensure_ascii: bool) -> str:
    return json.dumps(
        value, separators=(",", ":"), ensure_ascii=ensure_ascii, allow_nan=False, default=_write_as_orjson_does
    )


def _write_as_orjson_does(value: Any) -> Any:
    match value:
        case UUID():
            return str(value)
        case Enum():
            return value.value
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


def _may_have_long_integer(text: bytes) -> bool:
    digits = text.translate(_DIGITS)
    return _LONG in digits or _LONG_NEGATIVE in digits


def _refuse_duplicates(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    members: dict[str, Any] = {}
    for name, value in pairs:
        if name in members:
            raise ValueError(f"it has the field {name[:64]!r} twice in one object; leave one of the two out")
        members[name] = value
    return members


def _refuse_constant(word: str) -> NoReturn:
    raise ValueError(f"JSON has no {word}; write null or a text")
