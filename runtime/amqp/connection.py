"""A connection to the broker that comes back after an outage, with its publishers and its consumers."""

import asyncio
from collections.abc import Callable
from typing import Any

from runtime.amqp.consumer import Consumer, OnDelivery, Prepare
from runtime.amqp.link import Link, Token
from runtime.amqp.publisher import ConfirmedPublisher
from schemas.errors import EWMSError


class Connection(Link):
    """A link with its publishers and its consumers. Open it by `Connection.connect`."""

    def __init__(
        self,
        address: str,
        *,
        token: Token,
        name: str,
        heartbeat_s: int,
        timeout_s: float,
        backoff_cap_s: float,
        ca_file: str = "",
    ) -> None:
        super().__init__(
            address,
            token=token,
            name=name,
            heartbeat_s=heartbeat_s,
            timeout_s=timeout_s,
            backoff_cap_s=backoff_cap_s,
            ca_file=ca_file,
        )
        self._consumers: list[Consumer] = []
        self._publishers: list[ConfirmedPublisher] = []
        self._default_publisher: ConfirmedPublisher | None = None

    async def publish(
        self,
        exchange: str,
        routing_key: str,
        body: bytes,
        *,
        message_id: str,
        content_type: str = "application/octet-stream",
        headers: dict[str, Any] | None = None,
        timeout_s: float | None = 30.0,
        may_repeat: bool = True,
    ) -> None:
        """Publish one persistent event, and return after the broker's confirm. See `ConfirmedPublisher.publish`."""
        if self._default_publisher is None:
            self._default_publisher = self.open_publisher()
        await self._default_publisher.publish(
            exchange,
            routing_key,
            body,
            message_id=message_id,
            content_type=content_type,
            headers=headers,
            timeout_s=timeout_s,
            may_repeat=may_repeat,
        )

    def open_publisher(self, *, window: int = 100) -> ConfirmedPublisher:
        """Return a new publisher. It has its own channel, and at most `window` events wait for a confirm at once."""
        publisher = ConfirmedPublisher(self, window=window)
        self._publishers.append(publisher)
        return publisher

    async def consume(
        self,
        queue: str,
        on_delivery: OnDelivery,
        *,
        prefetch: int,
        no_ack: bool = False,
        prepare: Prepare | None = None,
        on_lost: Callable[[], None] | None = None,
        on_refused: Callable[[EWMSError], None] | None = None,
    ) -> Consumer:
        """Subscribe to `queue`, and return the consumer. The event loop calls `on_delivery` with each event. See
        `Consumer`.

        Raises:
            NotDeclared: the queue does not exist.
            AccessRefused: the user has no right to read the queue.
            ConnectionLost: the broker is away.
        """
        consumer = Consumer(
            self,
            queue,
            on_delivery,
            prefetch=prefetch,
            no_ack=no_ack,
            prepare=prepare,
            on_lost=on_lost,
            on_refused=on_refused,
        )
        await consumer.start()
        # A connection lives longer than its consumers, so drop the consumers that their owners have closed.
        self._consumers = [*(earlier for earlier in self._consumers if not earlier.is_closed), consumer]
        return consumer

    async def open_twin(self, *, timeout_s: float) -> "Connection":
        """Open another connection with the same credentials, for what may break a connection.

        It waits at most `timeout_s` for each answer of the broker, also when it closes.

        Raises:
            EWMSError: the errors of `connect`.
        """
        return await Connection.connect(
            self._address, token=self._token, name=self._name, timeout_s=timeout_s, ca_file=self._ca_file
        )

    async def close(self) -> None:
        """Unsubscribe, wait until the broker has applied all settlements, send the frames that wait, and close."""
        await asyncio.gather(*(consumer.close() for consumer in self._consumers))
        await asyncio.gather(*(publisher.close() for publisher in self._publishers))
        await super().close()
