"""What has gone through queues: answers of the broker that overtake each other."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from mqs.broker.traffic import BrokerLife, Counters
from mqs.broker.traffic_book import TrafficBook
from runtime.kernel.decision import Decision

QUEUE = "a" + "0" * 20


class Stored:
    """A store that forgets, and its own transaction."""

    async def find(self, *_: Any, **__: Any) -> list[Any]:
        return []

    async def transact(self, step: Callable[[Any], Awaitable[Decision]]) -> None:
        await step(self)


class Counts:
    """A broker that has counted so much."""

    epoch = 0

    def __init__(self, n: int) -> None:
        self.n = n

    async def read_life(self) -> BrokerLife:
        return BrokerLife()

    async def read_counters(self, queues: Sequence[str]) -> dict[str, Counters]:
        return {queue: Counters(self.n, self.n) for queue in queues}


async def test_an_answer_that_was_overtaken_is_no_restart_of_the_broker() -> None:
    broker: Any = Counts(10)
    store: Any = Stored()
    book = TrafficBook(store, broker)
    began_s = asyncio.get_running_loop().time()
    overtaken = await broker.read_counters([QUEUE])
    broker.n = 12
    await asyncio.sleep(0)
    await book.keep_counters(await broker.read_counters([QUEUE]), began_s=asyncio.get_running_loop().time())
    await book.keep_counters(overtaken, began_s=began_s)
    assert (await book.read_traffic([QUEUE]))[QUEUE].n_left == 12


async def test_lower_counts_of_a_later_answer_are_a_restart_of_the_broker() -> None:
    broker: Any = Counts(10)
    store: Any = Stored()
    book = TrafficBook(store, broker)
    await book.keep_counters(await broker.read_counters([QUEUE]), began_s=asyncio.get_running_loop().time())
    broker.n = 3
    assert (await book.read_traffic([QUEUE]))[QUEUE].n_left == 13
