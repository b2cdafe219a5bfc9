"""Estimate the age of a queue's oldest event, which the broker does not tell of quorum queues. (core)

Events leave a queue about in the order in which they came. So the oldest one is the first that has not left: number
`n_left` + 1. It came between two looks, the first of which had counted no more than `n_left` arrivals.
"""

from collections import deque
from dataclasses import dataclass, field

#: The most looks to remember. With more, every second one goes, and the estimate becomes coarser.
_MOST_MARKS = 128


@dataclass(slots=True)
class OldestEvent:
    """Remembers when how many events had come into one queue, as long as some of them may be in it."""

    #: (time in seconds, number of arrivals until then); of the first one, all events may have left.
    marks: deque[tuple[int, int]] = field(default_factory=deque)

    def note_counts(self, at_s: int, *, n_arrived: int, n_left: int, n_held: int) -> int:
        """Take the counts at `at_s`, and return about how many seconds old the oldest event is; 0 without events.

        An event that was there at the first look counts from that look on.
        """
        if not n_held:
            self.marks.clear()
            return 0
        if not self.marks or n_arrived > self.marks[-1][1]:
            self.marks.append((at_s, n_arrived))
        while len(self.marks) > 1 and self.marks[0][1] <= n_left:
            self.marks.popleft()
        if len(self.marks) > _MOST_MARKS:
            kept = [mark for place, mark in enumerate(self.marks) if place % 2 == 0]
            self.marks = deque(kept)
        return max(0, at_s - self.marks[0][0])
