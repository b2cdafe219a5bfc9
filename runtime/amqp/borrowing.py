"""Look at events that wait in a queue: take them for a moment, and return them.

The broker does not count that as an attempt. Meanwhile other consumers do not get these events. Afterwards the events
may be in another order.
"""

import asyncio
from collections.abc import Callable
from typing import Protocol

from runtime.amqp.delivery import Delivery

#: How many events the broker lends at a time. An event has up to 4 MiB.
EVENTS_AT_ONCE = 16


class BorrowingConsumer(Protocol):
    """The methods of a consumer that `borrow_events` needs."""

    async def set_prefetch(self, prefetch: int) -> None:
        """Begin a new subscription, with which the broker lends at most `prefetch` unsettled events at once.

        Events that are on loan already come on top of these.
        """
        ...

    async def pause(self) -> None:
        """Take no more events."""
        ...


class EventSource(Protocol):
    """The method of a connection that `borrow_events` needs."""

    async def consume(
        self,
        queue: str,
        on_delivery: Callable[[Delivery], None],
        *,
        prefetch: int,
        on_lost: Callable[[], None],
    ) -> BorrowingConsumer:
        """Subscribe to `queue`. Call `on_lost` when all unsettled deliveries are lost: their events come again."""
        ...


async def borrow_events(
    source: EventSource, queue: str, n: int, *, quiet_s: float, max_bytes: float = float("inf")
) -> list[Delivery]:
    """Return up to `n` events that wait in `queue`. They are given back to the queue before this returns.

    The look ends when no event has come for `quiet_s` seconds. It also ends soon after the bodies together exceed
    `max_bytes` bytes: up to `EVENTS_AT_ONCE` further events may be in the result.

    Raises:
        NotDeclared: the queue does not exist.
        AccessRefused: the user has no right to read the queue.
    """
    seen: list[Delivery] = []
    n_bytes = 0
    n_lent = prefetch = min(n, EVENTS_AT_ONCE)
    arrival = asyncio.Event()

    def on_delivery(delivery: Delivery) -> None:
        nonlocal n_bytes
        seen.append(delivery)
        n_bytes += len(delivery.body)
        arrival.set()

    def on_lost() -> None:
        nonlocal n_bytes, n_lent
        seen.clear()
        n_bytes, n_lent = 0, prefetch

    consumer = await source.consume(queue, on_delivery, prefetch=prefetch, on_lost=on_lost)
    while len(seen) < n and n_bytes <= max_bytes:
        if len(seen) >= n_lent:
            # The next events need a new subscription, because the events seen so far stay on loan.
            prefetch = min(n - len(seen), EVENTS_AT_ONCE)
            n_lent = len(seen) + prefetch
            await consumer.set_prefetch(prefetch)
            continue
        arrival.clear()
        try:
            async with asyncio.timeout(quiet_s):
                await arrival.wait()
        except TimeoutError:
            break
    # Without the pause the broker would deliver the returned events here again.
    await consumer.pause()
    for delivery in seen:
        await delivery.release()
    return seen[:n]
