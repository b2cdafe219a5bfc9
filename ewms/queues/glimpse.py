"""Show the events of a public queue without taking them, or delete all of them."""

from ewms.gateway.http import Gateway
from ewms.queues.payloads import Event
from ewms.queues.queue_access import QueueAccess
from runtime.amqp.borrowing import borrow_events
from schemas.api.queues.profiles import Use
from schemas.ids import WorkflowId

#: When no further event has come for this time (seconds), we assume that the queue has no more.
_QUIET_S = 1.0


async def peek_events(
    gateway: Gateway, workflow: WorkflowId, alias: str, *, n: int, active_timeout_s: float | None
) -> list[Event]:
    """Return up to `n` events that wait in the queue. All of them stay in the queue. See `runtime.amqp.borrowing`."""
    access = await QueueAccess.open_queue(gateway, workflow, alias, Use.CONSUME, active_timeout_s)
    try:
        seen = await borrow_events(access.connection, access.mqid, n, quiet_s=_QUIET_S)
        return [Event.from_data_event(delivery) for delivery in seen]
    finally:
        await access.close()


async def purge_events(gateway: Gateway, workflow: WorkflowId, alias: str, *, active_timeout_s: float | None) -> int:
    """Delete every event that waits in the queue, and return their number. Events that a consumer holds stay."""
    access = await QueueAccess.open_queue(gateway, workflow, alias, Use.CONSUME, active_timeout_s)
    try:
        async with access.connection.lend_channel() as channel:
            purged = await channel.queue_purge(access.mqid)
            return purged.message_count or 0
    finally:
        await access.close()
