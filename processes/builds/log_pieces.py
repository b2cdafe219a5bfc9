"""Cut the log of a build into pieces of whole characters, up to its limit. (core)"""

import codecs
from dataclasses import dataclass, field

from schemas.automation.builds import MAX_REPORTED_LOG

_CUT = "\n... the log is longer than its limit; the rest is left out\n"


@dataclass(slots=True)
class LogPieces:
    """The part of a log that was not sent yet."""

    max_bytes: int
    _n_bytes: int = 0
    _text: str = ""
    _decoder: codecs.IncrementalDecoder = field(
        default_factory=lambda: codecs.getincrementaldecoder("utf-8")(errors="replace")
    )

    def add_bytes(self, chunk: bytes) -> None:
        """Add `chunk`. What exceeds the limit is left out, and a line says so."""
        room = self.max_bytes - self._n_bytes
        self._n_bytes += len(chunk)
        if room <= 0:
            return
        self._text += self._decoder.decode(chunk[:room])
        if len(chunk) > room:
            self._text += _CUT

    def take_piece(self, *, is_last: bool = False) -> str:
        """Return at most `MAX_REPORTED_LOG` characters, and forget them. `is_last`: no more bytes come."""
        if is_last:
            self._text += self._decoder.decode(b"", final=True)
        piece, self._text = self._text[:MAX_REPORTED_LOG], self._text[MAX_REPORTED_LOG:]
        return piece
