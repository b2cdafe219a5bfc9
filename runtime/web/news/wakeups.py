"""Wake readers that wait for news about a thing. A key names the thing.

A wait that begins after the last reading may miss news that came between. So take the ticket first, then read:

    ticket = wakeups.take_ticket(key)
    rows = await read()
    await ticket.wait(within_s=5)      returns at once if there was news since the ticket or the last wait

This works within one process only. For news from another process, `within_s` limits the wait.
"""

import asyncio
from collections import defaultdict
from collections.abc import Hashable
from contextlib import suppress
from weakref import WeakSet, finalize


class Ticket:
    """A reader's place in the queue for news: the reader waits on it."""

    def __init__(self) -> None:
        self._news = asyncio.Event()

    def wake(self) -> None:
        """Let the wait that is going on return, or else the next wait."""
        self._news.set()

    async def wait(self, *, within_s: float) -> None:
        """Wait until there was news since the last wait, at most `within_s` seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self._news.wait()
        self._news.clear()


class Wakeups:
    """The tickets of readers that wait, by the keys for which they wait."""

    def __init__(self) -> None:
        self._waiting: defaultdict[Hashable, WeakSet[Ticket]] = defaultdict(WeakSet)

    @property
    def n_keys(self) -> int:
        """The number of keys for which a reader waits."""
        return len(self._waiting)

    def take_ticket(self, *keys: Hashable) -> Ticket:
        """Return a ticket that wakes its holder at news about any of `keys`.

        The ticket needs no return: when nothing refers to it any more, it is removed.
        """
        ticket = Ticket()
        # The newest callback about an object's end runs first, so this one runs after those of the sets.
        finalize(ticket, _forget_keys, self._waiting, keys)
        for key in keys:
            self._waiting[key].add(ticket)
        return ticket

    def wake(self, key: Hashable) -> None:
        """Wake every reader that waits for news about `key`."""
        for ticket in list(self._waiting.get(key, ())):
            ticket.wake()

    def wake_all(self) -> None:
        """Wake every reader that waits."""
        for key in list(self._waiting):
            self.wake(key)


def _forget_keys(waiting: dict[Hashable, WeakSet[Ticket]], keys: tuple[Hashable, ...]) -> None:
    for key in keys:
        if not waiting.get(key):
            waiting.pop(key, None)
