"""Cut what a run writes to one stream into pieces of text: bounded, in order, and without the values of secrets. (core)

    add_chunk(b"...") ─► up to the limit ─► mask secrets ─► UTF-8 ─► take_texts() -> pieces

A secret may begin in one chunk and end in the next one. So last bytes that may begin a secret wait for the chunk that
follows. All others go out at once, so lines that a task writes whole stay whole.
"""

import codecs

from pilot.failures.secret_mask import MASK, SecretMask
from schemas.pilot.outcomes import MAX_PIECE_BYTES


class StreamText:
    """The text of one stream of one run."""

    def __init__(self, limit_bytes: int, mask: SecretMask | None = None) -> None:
        """Keep at most `limit_bytes`, and mask secrets."""
        self._secrets = (mask or SecretMask()).values
        self._longest_begun = max(map(len, self._secrets), default=1) - 1
        self._limit = limit_bytes
        self._waiting = bytearray()
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        #: What the run wrote, in bytes, also what was left out.
        self.n_bytes = 0

    @property
    def is_cut(self) -> bool:
        """Whether the run wrote more than the limit."""
        return self.n_bytes > self._limit

    @property
    def n_waiting(self) -> int:
        """How many bytes wait to be taken."""
        return len(self._waiting)

    def add_chunk(self, chunk: bytes) -> None:
        """Add the next bytes that the run wrote. Drop what is over the limit."""
        room = max(0, self._limit - self.n_bytes)
        self._waiting += chunk[:room]
        self.n_bytes += len(chunk)

    def take_texts(self, *, last: bool = False) -> list[str]:
        """Return the text that came since the last call, in pieces. With `last`, return also what was held back.

        A piece has at most `MAX_PIECE_BYTES` of what the run wrote, and as many characters.
        """
        until = len(self._waiting) - (0 if last else self._count_begun())
        text = self._decoder.decode(self._take_masked(until), last) if until > 0 or last else ""
        return [text[start : start + MAX_PIECE_BYTES] for start in range(0, len(text), MAX_PIECE_BYTES)]

    def _count_begun(self) -> int:
        """Return how many bytes at the end may be the beginning of a secret."""
        end = bytes(self._waiting[-self._longest_begun :]) if self._longest_begun else b""
        begins = (n for n in range(len(end), 0, -1) if any(each.startswith(end[-n:]) for each in self._secrets))
        return next(begins, 0)

    def _take_masked(self, until: int) -> bytes:
        """Take the first `until` bytes, and the rest of a secret that begins there. Replace each secret by `MASK`."""
        taken, position = bytearray(), 0
        while position < until:
            found = [(at, -len(s), s) for s in self._secrets if 0 <= (at := self._waiting.find(s, position)) < until]
            if not found:
                taken += self._waiting[position:until]
                position = until
                break
            at, _, secret = min(found)
            taken += self._waiting[position:at] + MASK.encode()
            position = at + len(secret)
        del self._waiting[:position]
        return bytes(taken)


def cut_note(stream: str, n_bytes: int, limit_bytes: int) -> str:
    """Return the text that ends a log which was cut."""
    return f"\n[cut here: the task wrote {n_bytes} bytes to {stream}, and EWMS_PILOT_LOG_LIMIT keeps {limit_bytes}]\n"
