"""Look at the events of a public queue without taking them, or throw all of them away."""

import asyncio

from ewms.gateway.http import Gateway
from ewms.queues.payloads import Event
from ewms.queues.queue_access import QueueAccess
from runtime.amqp import Delivery
from schemas.api.queues import Use
from schemas.ids import WorkflowId

#: When no further event has come for this time (seconds), we assume that the queue has no more.
_QUIET_S = 1.0


async def peek_events(
    gateway: Gateway, workflow: WorkflowId, alias: str, *, n: int, active_timeout_s: float | None
) -> list[Event]:
    """Return up to `n` events that wait in the queue; all of them stay there.

    We take the events for a moment, and give them back; the broker does not count that as an attempt. Other consumers
    do not get them meanwhile, and may get them in another order afterwards.
    """
    access = await QueueAccess.open_queue(gateway, workflow, alias, Use.CONSUME, active_timeout_s)
    seen: list[Delivery] = []
    arrival = asyncio.Event()

    def on_delivery(delivery: Delivery) -> None:
        seen.append(delivery)
        arrival.set()

    try:
        consumer = await access.connection.consume(access.mqid, on_delivery, prefetch=n)
        while len(seen) < n:
            arrival.clear()
            try:
                async with asyncio.timeout(_QUIET_S):
                    await arrival.wait()
            except TimeoutError:
                break
        # Without the pause the broker would send us again what we give back.
        await consumer.pause()
        for delivery in seen:
            await delivery.release()
        return [Event.of(delivery.event) for delivery in seen[:n]]
    finally:
        await access.close()


async def purge_events(gateway: Gateway, workflow: WorkflowId, alias: str, *, active_timeout_s: float | None) -> int:
    """Throw away every event that waits in the queue, and return how many. Events in consumers' hands stay."""
    access = await QueueAccess.open_queue(gateway, workflow, alias, Use.CONSUME, active_timeout_s)
    try:
        async with access.connection.lend_channel() as channel:
            purged = await channel.queue_purge(access.mqid)
            return purged.message_count or 0
    finally:
        await access.close()
