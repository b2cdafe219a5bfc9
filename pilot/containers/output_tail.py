"""Keep the end of what a container writes. (core)"""

#: How many bytes from the end of a stream the pilot keeps.
TAIL_BYTES = 64 * 1024


class Tail:
    """Keeps the last `limit` bytes of a stream. `total` is the number of all bytes that the stream has had."""

    def __init__(self, limit: int = TAIL_BYTES) -> None:
        self._limit = limit
        self._kept = bytearray()
        self.total = 0

    def add_chunk(self, chunk: bytes) -> None:
        """Add the next bytes of the stream."""
        self._kept += chunk
        self.total += len(chunk)
        if len(self._kept) > 2 * self._limit:
            del self._kept[: -self._limit]

    def copy_end(self, since: int = 0, limit: int = TAIL_BYTES) -> bytes:
        """Return the bytes that follow the stream's first `since` bytes, but at most its last `limit` bytes."""
        wanted = max(0, min(self.total - since, limit, self._limit, len(self._kept)))
        return bytes(self._kept[len(self._kept) - wanted :])

    def read_tail(self, since: int = 0, limit: int = TAIL_BYTES) -> str:
        """Return the same as `copy_end`, as text."""
        return self.copy_end(since, limit).decode(errors="replace")
