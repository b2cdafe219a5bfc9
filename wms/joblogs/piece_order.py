"""Put the pieces of each stream in the order of their numbers. (core)

Pieces mostly come in order. But a pilot offers a piece again that a full queue refused, and then later ones came first.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from schemas.automation.job_logs import JobLogRow
from schemas.pilot.outcomes import TaskStream

_Stream = tuple[str, TaskStream]


def arrange_rows(rows: Sequence[JobLogRow]) -> list[JobLogRow]:
    """Return `rows`, in the order of their places, with the pieces of each stream in the order of their numbers.

    The streams stay mixed as they came: each takes the same positions in the result.
    """
    by_place = sorted(rows, key=lambda row: row.place)
    numbered: dict[_Stream, list[JobLogRow]] = defaultdict(list)
    for row in by_place:
        numbered[row.run, row.stream].append(row)
    turns = {stream: iter(sorted(found, key=lambda row: row.number)) for stream, found in numbered.items()}
    return [next(turns[row.run, row.stream]) for row in by_place]


class PieceOrder:
    """Holds back pieces that came before an earlier piece of their stream, for a reader that follows a log."""

    def __init__(self, *, from_start: bool) -> None:
        """`from_start` is whether the reader has read nothing yet, so that each stream begins with piece 0."""
        self._from_start = from_start
        self._next: dict[_Stream, int] = {}
        self._held: dict[_Stream, dict[int, JobLogRow]] = defaultdict(dict)
        #: The pieces that came later than pieces after them which an earlier reading had shown already.
        self._late: set[str] = set()
        self._begins: dict[_Stream, int] = {}

    def release_rows(self, rows: Iterable[JobLogRow]) -> list[JobLogRow]:
        """Return the pieces that may be shown now that `rows` have come. A piece that comes twice is shown once."""
        released: list[JobLogRow] = []
        by_number = sorted(rows, key=lambda row: row.number)
        for row in by_number:
            begin = 0 if self._from_start else row.number
            self._next.setdefault((row.run, row.stream), self._begins.setdefault((row.run, row.stream), begin))
        for row in sorted(by_number, key=lambda row: row.place):
            stream = row.run, row.stream
            if row.number < self._begins[stream] and row.id not in self._late:
                self._late.add(row.id)
                released.append(row)
            if row.number < self._next[stream]:
                continue
            held = self._held[stream]
            held[row.number] = row
            while (following := held.pop(self._next[stream], None)) is not None:
                released.append(following)
                self._next[stream] += 1
        return released

    def release_held(self) -> list[JobLogRow]:
        """Return the pieces that are held back, because the pieces before them will never come."""
        held = [row for rows in self._held.values() for row in rows.values()]
        for rows in self._held.values():
            rows.clear()
        return arrange_rows(held)

    def find_safe_place(self, read_until: int) -> int:
        """Return the place from which another reader misses no piece, if all up to `read_until` were read."""
        return min((row.place - 1 for rows in self._held.values() for row in rows.values()), default=read_until)
