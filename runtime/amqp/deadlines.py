"""Limit the time of many waits with few timers: one timer for all waits of the same length.

A timer for each event would cost more than the event's frames.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar


class Limited(Protocol):
    """What waits, a future for example."""

    def done(self) -> bool:
        """Return whether the wait is over."""
        ...


Waiter = TypeVar("Waiter", bound=Limited)

#: A queue drops finished waits when it has this many waits, and then each time it has twice as many as were left.
_CLEAN_FROM = 1000


class Deadlines(Generic[Waiter]):
    """The time limits of one owner's waits. `expire` is called with each wait that is not done in time."""

    def __init__(self, expire: Callable[[Waiter], None]) -> None:
        self._expire = expire
        #: The queues, by the length of their waits in seconds.
        self._queues: dict[float, _WaitQueue[Waiter]] = {}

    def add_wait(self, waiter: Waiter, timeout_s: float) -> None:
        """Call `expire` with `waiter` in `timeout_s` seconds, unless `waiter` is done by then."""
        queue = self._queues.get(timeout_s)
        if queue is None:
            queue = self._queues[timeout_s] = _WaitQueue(timeout_s, self._expire, self._forget_queue)
        queue.add_wait(waiter)

    def _forget_queue(self, timeout_s: float) -> None:
        del self._queues[timeout_s]


class _WaitQueue(Generic[Waiter]):
    """Waits of the same length, so a wait that begins first ends first."""

    def __init__(self, timeout_s: float, expire: Callable[[Waiter], None], on_empty: Callable[[float], None]) -> None:
        self._timeout_s = timeout_s
        self._expire = expire
        self._on_empty = on_empty
        self._loop = asyncio.get_running_loop()
        self._waits: deque[tuple[float, Waiter]] = deque()
        self._clean_at = _CLEAN_FROM
        self._timer: asyncio.TimerHandle | None = None

    def add_wait(self, waiter: Waiter) -> None:
        due = self._loop.time() + self._timeout_s
        waits = self._waits
        while waits and waits[0][1].done():
            waits.popleft()
        waits.append((due, waiter))
        if len(waits) >= self._clean_at:
            # A long wait at the front keeps all later waits in the queue.
            self._waits = waits = deque(wait for wait in waits if not wait[1].done())
            self._clean_at = max(_CLEAN_FROM, 2 * len(waits))
        if self._timer is None:
            self._timer = self._loop.call_at(due, self._expire_due_waits)

    def _expire_due_waits(self) -> None:
        self._timer = None
        now, waits = self._loop.time(), self._waits
        while waits and (waits[0][1].done() or waits[0][0] <= now):
            _, waiter = waits.popleft()
            if not waiter.done():
                self._expire(waiter)
        if waits:
            self._timer = self._loop.call_at(waits[0][0], self._expire_due_waits)
        else:
            self._on_empty(self._timeout_s)
