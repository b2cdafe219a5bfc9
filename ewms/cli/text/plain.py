"""Make text from user code harmless for a terminal, which would obey escape sequences in it. (core)"""

import codecs
from collections.abc import Iterable, Iterator

_KEPT = "\n\t"


def harmless(text: str) -> str:
    """Return `text` with every unprintable character spelled out: ESC as `\\x1b`. Line ends and tabs stay."""
    return "".join(c if c.isprintable() or c in _KEPT else _written_out(c) for c in text.replace("\r\n", "\n"))


def harmless_stretches(stretches: Iterable[bytes]) -> Iterator[str]:
    """Decode `stretches` of UTF-8, and yield harmless text. A character may be split between two stretches."""
    decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")
    held = ""
    for stretch in stretches:
        text = held + decoder.decode(stretch)
        # A line end of two characters may be split as well.
        held = "\r" if text.endswith("\r") else ""
        yield harmless(text.removesuffix(held))
    yield harmless(held + decoder.decode(b"", final=True))


def _written_out(character: str) -> str:
    return character.encode("unicode_escape").decode()
