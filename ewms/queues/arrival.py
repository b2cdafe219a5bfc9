"""Wait until something has happened at a subscription: an event has arrived, or the loop must look why none comes."""

import asyncio

from runtime.amqp.deadlines import Deadlines


class Arrival:
    """The wait of one loop for news. All waits together have one timer, as a timer for each event would cost more than
    the event.
    """

    def __init__(self, timeout_s: float | None) -> None:
        """A wait ends after `timeout_s` seconds; None: it has no limit."""
        self._timeout_s = timeout_s
        self._waiter: asyncio.Future[bool] | None = None
        self._deadlines: Deadlines[asyncio.Future[bool]] = Deadlines(_end_in_vain)

    def announce(self) -> None:
        """End the wait, if there is one. Call this on the event loop."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(True)

    async def wait_for_news(self) -> bool:
        """Return True at the next `announce`, and False if the time is over before."""
        self._waiter = asyncio.get_running_loop().create_future()
        if self._timeout_s is not None:
            self._deadlines.add_wait(self._waiter, self._timeout_s)
        try:
            return await self._waiter
        finally:
            self._waiter = None


def _end_in_vain(waiter: "asyncio.Future[bool]") -> None:
    waiter.set_result(False)
