"""A virtual clock: it stands still while anything runs, and then jumps to the next call. (core)"""

import heapq
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count


@dataclass(slots=True)
class PlannedCall:
    """A call at a time of the virtual clock."""

    at_s: float
    callback: Callable[[], object]
    is_canceled: bool = False

    def cancel(self) -> None:
        """Do not make the call."""
        self.is_canceled = True

    def when(self) -> float:
        """Return the time of the call."""
        return self.at_s


class Agenda:
    """A virtual clock in seconds. It begins at 0. Calls at the same time come in the order of their planning."""

    def __init__(self) -> None:
        self._now_s = 0.0
        self._numbers = count()
        self._planned: list[tuple[float, int, PlannedCall]] = []

    def time(self) -> float:
        """Return the present time."""
        return self._now_s

    def call_at(self, when: float, callback: Callable[[], object], /) -> PlannedCall:
        """Plan a call of `callback` at `when`, or now if that is past."""
        call = PlannedCall(max(when, self._now_s), callback)
        heapq.heappush(self._planned, (call.at_s, next(self._numbers), call))
        return call

    def call_later(self, after_s: float, callback: Callable[[], object]) -> PlannedCall:
        """Plan a call of `callback` after `after_s` seconds."""
        return self.call_at(self._now_s + after_s, callback)

    def make_next_call(self) -> bool:
        """Jump to the next planned call, and make it. Return False if none is planned."""
        while self._planned:
            at_s, _, call = heapq.heappop(self._planned)
            if not call.is_canceled:
                self._now_s = at_s
                call.callback()
                return True
        return False
