"""Write JSON values as YAML, for people. Text that YAML could read as something else gets quotes. (core)"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

#: The form of words that no YAML reader takes for a number, a date or punctuation; `_WORDS` are the exceptions.
_PLAIN = re.compile(r"[A-Za-z_/][A-Za-z0-9_/.-]*")
_WORDS = frozenset({"null", "true", "false", "yes", "no", "on", "off", "y", "n"})


def yaml_text(value: Any) -> str:
    """Return the JSON value `value` as a YAML document; it ends with a line end."""
    return "\n".join(_value_lines(value)) + "\n"


def _value_lines(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from _entry_lines(f"{_format_scalar(str(key))}:", inner)
    elif isinstance(value, Sequence) and not isinstance(value, str) and value:
        for inner in value:
            first, *rest = _value_lines(inner)
            yield f"- {first}"
            yield from (f"  {line}" for line in rest)
    else:
        yield _format_scalar(value)


def _entry_lines(key: str, value: Any) -> Iterator[str]:
    if isinstance(value, Mapping | list | tuple) and value:
        yield key
        yield from (f"  {line}" for line in _value_lines(value))
    else:
        yield f"{key} {_format_scalar(value)}"


def _format_scalar(value: Any) -> str:
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value.lower() not in _WORDS:
        return value
    # Strings, numbers and empty brackets of JSON are also YAML; but YAML has no pairs of surrogates. So
    # JSON's own escapes are off here, and we escape unprintable characters in YAML's way.
    text = json.dumps(value, default=str, ensure_ascii=False)
    return "".join(c if c.isprintable() else _escape_character(c) for c in text)


def _escape_character(character: str) -> str:
    number = ord(character)
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"
