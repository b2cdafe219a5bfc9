"""Take in one queue of a work: keep what its events say, and only then acknowledge them.

Events that come at once are kept at once. To keep an event twice changes nothing, so several WMS may take in one queue.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack

from runtime.amqp import Consumer, Delivery, NotDeclared
from runtime.concurrency.loops import BackgroundLoop
from runtime.failpoints import failpoint
from schemas.automation.jobs import JobWorkDocument
from schemas.ids import Alias
from wms.engine.nested.workflow_queues import WorkflowQueues, open_connection

#: How many events the broker lends at once.
_PREFETCH = 100
_REST_S = 0.02

#: Keeps what these bodies say. It leaves out what it cannot read.
KeepsBodies = Callable[[Sequence[bytes]], Awaitable[None]]


class QueueIntake:
    """Takes in one queue of a work, from `start` to `stop`."""

    def __init__(self, work: JobWorkDocument, alias: str, keep: KeepsBodies) -> None:
        self._work = work
        self._alias = Alias(alias)
        self._keep = keep
        self._waiting: list[Delivery] = []
        self._stack = AsyncExitStack()
        self._consumer: Consumer | None = None
        self._loop = BackgroundLoop(
            self._keep_waiting, name=f"intake of {alias}", failed=f"{alias} wait", rest_s=_REST_S
        )
        self._clock = asyncio.get_running_loop()
        self._began_s = self._quiet_since_s = self._clock.time()

    @property
    def age_s(self) -> float:
        """How many seconds ago it was made."""
        return self._clock.time() - self._began_s

    @property
    def quiet_s(self) -> float:
        """For how many seconds nothing has come."""
        return 0.0 if self._waiting else self._clock.time() - self._quiet_since_s

    @property
    def is_active(self) -> bool:
        """Whether events can arrive now."""
        return self._consumer is not None and self._consumer.is_active

    async def start(self, queues: WorkflowQueues) -> None:
        """Begin to take in.

        Raises:
            Unavailable: MQS or the broker does not answer.
            NotDeclared: the queue is not open yet, or not any more.
            NotFound: MQS has forgotten the queue.
        """
        profile = (await queues.find_queues(self._work.id, self._work.owner)).get(self._alias)
        if profile is None:
            raise NotDeclared(f"the queue {self._alias!r} of {self._work.id} is not open")
        async with AsyncExitStack() as stack:
            connection = await stack.enter_async_context(open_connection(profile))
            self._loop.start()
            stack.push_async_callback(self._loop.stop)
            self._consumer = await connection.consume(
                profile.mqid, self._take_delivery, prefetch=_PREFETCH, on_lost=self._forget_waiting
            )
            self._stack = stack.pop_all()
        self._quiet_since_s = self._clock.time()

    async def stop(self) -> None:
        """Stop taking in. What is not kept yet returns to the queue."""
        await self._stack.aclose()

    def _forget_waiting(self) -> None:
        """The broker sends these events again, and others may have come meanwhile."""
        self._waiting.clear()
        self._quiet_since_s = self._clock.time()

    def _take_delivery(self, delivery: Delivery) -> None:
        self._waiting.append(delivery)
        self._quiet_since_s = self._clock.time()
        self._loop.wake()

    async def _keep_waiting(self) -> None:
        taken = list(self._waiting)
        if not taken:
            return
        await self._keep([delivery.body for delivery in taken])
        failpoint("jobs.taken")
        for delivery in taken:
            await delivery.ack()
        done = set(map(id, taken))
        self._waiting[:] = [delivery for delivery in self._waiting if id(delivery) not in done]
        if self._waiting:
            self._loop.wake()
