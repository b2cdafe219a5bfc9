"""Strangers' text made harmless for a terminal, which would obey the escape sequences in it. (core)"""

import codecs
from collections.abc import Iterable, Iterator

_KEPT = "\n\t"


def harmless(text: str) -> str:
    """Return `text` with every character that is not for reading written out: ESC as `\\x1b`."""
    return "".join(c if c.isprintable() or c in _KEPT else _written_out(c) for c in text.replace("\r\n", "\n"))


def harmless_stretches(stretches: Iterable[bytes]) -> Iterator[str]:
    """Yield `stretches` of UTF-8 as harmless text; a character may be cut in two by the end of a stretch."""
    decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")
    held = ""
    for stretch in stretches:
        text = held + decoder.decode(stretch)
        # A line end may be cut in two as well.
        held = "\r" if text.endswith("\r") else ""
        yield harmless(text.removesuffix(held))
    yield harmless(held + decoder.decode(b"", final=True))


def _written_out(character: str) -> str:
    return character.encode("unicode_escape").decode()
