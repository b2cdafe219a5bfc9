"""Limit how many requests run at once: one limit for all callers, and a waiting line for each caller."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from schemas.errors import Unavailable

_LONGEST_REST_S = 2.0


class Overloaded(Unavailable):
    """The gateway has too many requests under way at once."""


class RequestLimit:
    """Counts the requests in the gateway, each during a block. Beyond the limit it refuses them by `Overloaded`."""

    def __init__(self, limit: int) -> None:
        self._n_left = limit

    def __enter__(self) -> None:
        if not self._n_left:
            raise Overloaded("too many requests at once")
        self._n_left -= 1

    def __exit__(self, *_: object) -> None:
        self._n_left += 1


class CallerTurns:
    """Limits how many requests run at once, of one caller and of all. The others wait, each caller in its own line.

    With `rests`, the place of a request stays reserved after its end for as long as the request ran, at most 2 s. So a
    caller that asks for one large page after another uses at most half of the process. A caller with occasional
    requests never waits for that.
    """

    def __init__(self, max_of_caller: int, max_of_all: int, *, rests: bool = False) -> None:
        self._max_of_caller = max_of_caller
        self._all = asyncio.Semaphore(max_of_all)
        self._rests = rests
        #: Caller -> its semaphore, and how many requests and rests use it.
        self._lines: dict[str, tuple[asyncio.Semaphore, int]] = {}

    @asynccontextmanager
    async def take_turn(self, caller: str) -> AsyncIterator[None]:
        """Wait until a request of this caller may run, and count it as running during the block."""
        line, n_users = self._lines.get(caller, (asyncio.Semaphore(self._max_of_caller), 0))
        self._lines[caller] = line, n_users + 1
        try:
            await line.acquire()
        except BaseException:
            self._leave_line(caller)
            raise
        loop = asyncio.get_running_loop()
        began_at: float | None = None
        try:
            async with self._all:
                began_at = loop.time()
                yield
        finally:
            # A request that ended before it could run has cost nothing.
            ran_s = 0.0 if began_at is None else loop.time() - began_at
            rest_s = min(ran_s, _LONGEST_REST_S) if self._rests else 0.0
            if rest_s:
                loop.call_later(rest_s, self._end_turn, caller, line)
            else:
                self._end_turn(caller, line)

    def _end_turn(self, caller: str, line: asyncio.Semaphore) -> None:
        line.release()
        self._leave_line(caller)

    def _leave_line(self, caller: str) -> None:
        line, n_users = self._lines[caller]
        if n_users > 1:
            self._lines[caller] = line, n_users - 1
        else:
            del self._lines[caller]
