"""Make text from user code harmless for a terminal, which would carry out escape sequences in it. (core)"""

import codecs
from collections.abc import Iterable, Iterator

_KEPT = "\n\t"


def escape_controls(text: str) -> str:
    """Return `text` with every unprintable character spelled out: ESC as `\\x1b`. Line ends and tabs stay."""
    return "".join(c if c.isprintable() or c in _KEPT else _escape_character(c) for c in text.replace("\r\n", "\n"))


def escape_stretches(stretches: Iterable[bytes]) -> Iterator[str]:
    """Decode the parts `stretches` of a UTF-8 text, and yield harmless text. A character may be split between two
    parts.
    """
    decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")
    held = ""
    for stretch in stretches:
        text = held + decoder.decode(stretch)
        # A line end of two characters may be split as well.
        held = "\r" if text.endswith("\r") else ""
        yield escape_controls(text.removesuffix(held))
    yield escape_controls(held + decoder.decode(b"", final=True))


def _escape_character(character: str) -> str:
    return character.encode("unicode_escape").decode()
