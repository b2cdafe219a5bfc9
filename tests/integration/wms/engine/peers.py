"""A step worker that the test plays: it takes steps, says what it likes about them, and may die or be late."""

import asyncio
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Self

from runtime.amqp import ConfirmedPublisher, Connection, Consumer, Delivery
from runtime.bus.pools import declare_pool
from schemas.broker import topology
from schemas.engine.graph import Definition
from schemas.engine.runs import NodeError, Outcome
from schemas.events import DefinitionRegistered, NodeEnded, NodeRun, NodeTaken, Payload, StepWorkerAlive, build_event
from schemas.ids import EventId
from schemas.wire import EVENT_CONTENT_TYPE, event_from_bytes, event_to_bytes


class Worker:
    """One step worker of a pool, on a connection of its own."""

    def __init__(self, connection: Connection, name: str, pool: str) -> None:
        self.name = name
        self.pool = pool
        self.orders: list[NodeRun] = []
        self._connection = connection
        self._publisher: ConfirmedPublisher = connection.open_publisher()
        self._consumer: Consumer | None = None
        self._deliveries: dict[tuple[int, str, int], Delivery] = {}
        self._news = asyncio.Condition()
        self.react: Callable[[NodeRun], Any] | None = None

    @classmethod
    async def connect(cls, url: str, name: str = "w1", pool: str = "default") -> Self:
        """Return a worker that takes steps."""
        self = cls(await Connection.connect(url, name=name, wait_s=10.0), name, pool)
        self._consumer = await self._connection.consume(
            topology.pool_service(pool),
            lambda delivery: asyncio.ensure_future(self._take(delivery)),  # type: ignore[arg-type,return-value]  # kept by nobody
            prefetch=50,
            prepare=lambda _: declare_pool(self._connection, pool),
        )
        return self

    async def _take(self, delivery: Delivery) -> None:
        order = event_from_bytes(delivery.body).data
        assert isinstance(order, NodeRun)
        self._deliveries[order.run, order.node, order.attempt] = delivery
        async with self._news:
            self.orders.append(order)
            self._news.notify_all()
        if self.react is not None:
            await self.react(order)

    async def say(self, payload: Payload) -> None:
        """Tell WMS something."""
        event = build_event(
            payload, event_id=EventId(str(uuid.uuid4())), source=f"ewms/{self.name}", time=datetime.now(UTC)
        )
        await self._publisher.publish(
            topology.CONTROL_EXCHANGE,
            event.routing_key,
            event_to_bytes(event),
            message_id=event.id,
            content_type=EVENT_CONTENT_TYPE,
            user_id=topology.pool_service(self.pool),
        )

    async def register(self, definition: Definition) -> None:
        """Offer a definition."""
        await self.say(DefinitionRegistered(worker=self.name, hash=definition.hash, definition=definition))

    async def be_alive(self, *definitions: Definition, is_leaving: bool = False) -> None:
        """Say that the worker is there."""
        hashes = tuple(definition.hash for definition in definitions)
        await self.say(
            StepWorkerAlive(
                worker=self.name,
                pool=self.pool,
                hashes=hashes,
                n_running=0,
                started_at=datetime.now(UTC),
                is_leaving=is_leaving,
            )
        )

    async def hear(self, node: str, attempt: int = 1, *, n: int = 1) -> NodeRun:
        """Return the order for this node and attempt, once it has come `n` times."""
        async with asyncio.timeout(60), self._news:
            while len(found := [o for o in self.orders if (o.node, o.attempt) == (node, attempt)]) < n:
                await self._news.wait()
            return found[n - 1]

    async def take(self, order: NodeRun) -> None:
        """Say that the work on a step has begun."""
        await self.say(
            NodeTaken(
                run=order.run, node=order.node, attempt=order.attempt, worker=self.name, taken_at=datetime.now(UTC)
            )
        )

    async def end(self, order: NodeRun, outcome: Outcome = Outcome.SUCCESSFUL, **fields: Any) -> None:
        """Say how a step ended, and acknowledge it."""
        now = datetime.now(UTC)
        if outcome is Outcome.FAILED:
            fields.setdefault("error", NodeError(error_class="ValueError", message="no"))
        await self.say(
            NodeEnded(
                run=order.run,
                node=order.node,
                attempt=order.attempt,
                outcome=outcome,
                worker=self.name,
                started_at=now,
                ended_at=now,
                **fields,
            )
        )
        if (delivery := self._deliveries.pop((order.run, order.node, order.attempt), None)) is not None:
            await delivery.ack()

    async def close(self) -> None:
        """Close the connection; steps that were not ended go back to the queue, as if the worker had died."""
        await self._connection.close()
