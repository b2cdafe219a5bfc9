"""Keep the deliveries that a pilot holds, and tell the broker how each of them ended."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from pilot.life.instructions import Settlement
from runtime.amqp import Delivery
from schemas.pilot.pilot_wire import QueueEndpoint

log = logging.getLogger(__name__)


class HeldDeliveries:
    """The deliveries that a pilot holds, by key, and the settlements that are not finished."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._next_key = 1
        self._deliveries: dict[int, tuple[QueueEndpoint, Delivery]] = {}
        #: The task that ends the subscriptions, the newest; None if the pilot has never stopped listening.
        self._stopping: asyncio.Task[None] | None = None
        #: The pilot waits for these tasks before it leaves.
        self.under_way: set[asyncio.Task[None]] = set()

    def add_delivery(self, queue: QueueEndpoint, delivery: Delivery) -> int:
        """Keep `delivery`, and return its key."""
        key, self._next_key = self._next_key, self._next_key + 1
        self._deliveries[key] = (queue, delivery)
        return key

    def find_delivery(self, key: int) -> tuple[QueueEndpoint, Delivery] | None:
        """Return the queue and the delivery of `key`. Return None if that delivery is settled."""
        return self._deliveries.get(key)

    def get_delivery(self, key: int) -> tuple[QueueEndpoint, Delivery]:
        """Return the queue and the delivery of `key`. The caller knows that this delivery is not settled."""
        return self._deliveries[key]

    def take_over(self, key: int, other: int) -> None:
        """Use the delivery of `other` for `key` from now on, because the broker has delivered the same event again."""
        self._deliveries[key] = self._deliveries.pop(other)

    def stop_listening(self, ending: Coroutine[Any, Any, None]) -> None:
        """Run `ending`, which ends the subscriptions. Events are returned to their queues only after that."""
        self._stopping = self._begin_task(ending)

    def settle_delivery(self, key: int, how: Settlement, *, on_acknowledged: Callable[[], None] | None = None) -> None:
        """Settle the delivery of `key` in the background. Do nothing if that delivery is already settled.

        Call `on_acknowledged` once the event is acknowledged, unless the delivery is lost before.
        """
        entry = self._deliveries.pop(key, None)
        if entry is None:
            return
        _, delivery = entry
        match how:
            case Settlement.ACK:
                self._begin_task(_await_settlement(delivery.ack(), on_acknowledged))
            case Settlement.REJECT:
                self._begin_task(_await_settlement(delivery.reject()))
            case Settlement.DISCARD:
                self._begin_task(_await_settlement(delivery.reject(requeue=False)))
            case Settlement.RETURN:
                self._begin_task(_await_settlement(self._give_back(delivery)))
            case Settlement.FORGET:
                log.info("the delivery of event %s was lost; the broker will deliver it again", delivery.id)

    async def _give_back(self, delivery: Delivery) -> bool:
        """Return `delivery` to its queue. If the pilot is about to stop listening, wait for that first.

        Otherwise the broker would deliver the event to this pilot again. Each return counts: an event that was returned
        often counts as an event that fails.
        """
        if self._stopping is not None:
            await asyncio.wait((self._stopping,))
        return await delivery.release()

    def _begin_task(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = self._loop.create_task(work)
        self.under_way.add(task)
        task.add_done_callback(self.under_way.discard)
        return task


async def _await_settlement(settling: Coroutine[Any, Any, bool], on_settled: Callable[[], None] | None = None) -> None:
    if await settling:
        if on_settled is not None:
            on_settled()
    else:
        log.info("the pilot has lost a delivery before it could settle it; its event comes again")
