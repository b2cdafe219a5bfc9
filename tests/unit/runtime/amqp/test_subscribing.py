"""A consumer whose subscription the broker ends at once, which no real broker does on demand."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

from runtime.amqp.consumer import Consumer
from runtime.amqp.link import Link
from schemas.errors import EWMSError, NotFound


class BrokerChannel:
    """A channel on which the first subscription ends in the moment of its answer, and the next ones are refused."""

    def __init__(self) -> None:
        self.is_closed = False
        self.on_consumer_cancel_callbacks: set[Any] = set()
        self.closing: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.n_subscribed = 0

    async def basic_qos(self, **_: Any) -> None:
        pass

    async def basic_consume(self, *_: Any, consumer_tag: str, **__: Any) -> None:
        self.n_subscribed += 1
        if self.n_subscribed > 1:
            raise NotFound("the queue does not exist")
        for callback in self.on_consumer_cancel_callbacks:
            callback(SimpleNamespace(consumer_tag=consumer_tag))


class BrokerLink:
    def __init__(self, channel: BrokerChannel) -> None:
        self._channel = channel

    async def open_channel(self, *, confirms: bool) -> BrokerChannel:
        return self._channel

    async def wait_until_ready(self) -> None:
        pass

    def find_tap(self, channel: BrokerChannel) -> None:
        return None


async def test_a_subscription_that_ends_in_the_moment_of_its_answer_is_tried_again() -> None:
    refusals: list[EWMSError] = []
    refused = asyncio.Event()

    def note_refusal(error: EWMSError) -> None:
        refusals.append(error)
        refused.set()

    channel = BrokerChannel()
    consumer = Consumer(
        cast(Link, BrokerLink(channel)),
        "q",
        lambda _: None,
        prefetch=1,
        no_ack=False,
        prepare=None,
        on_lost=None,
        on_refused=note_refusal,
    )
    await consumer.start()
    assert not consumer.is_active
    async with asyncio.timeout(10):
        await refused.wait()
    assert "does not exist" in refusals[0].reason
    channel.is_closed = True
    await consumer.close()
