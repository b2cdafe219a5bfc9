"""Waits end in time, each after its own length, and cost no timer each."""

import asyncio

from runtime.amqp.deadlines import Deadlines


async def test_waits_expire_after_their_own_length_and_not_if_they_are_over() -> None:
    loop = asyncio.get_running_loop()
    expired: list[tuple[asyncio.Future[None], float]] = []
    begin = loop.time()

    def expire(waiter: asyncio.Future[None]) -> None:
        expired.append((waiter, loop.time() - begin))
        waiter.set_result(None)

    deadlines: Deadlines[asyncio.Future[None]] = Deadlines(expire)
    short, long, over, later = (loop.create_future() for _ in range(4))
    deadlines.add_wait(long, 0.2)
    deadlines.add_wait(over, 0.05)
    deadlines.add_wait(short, 0.05)
    over.set_result(None)
    await short
    deadlines.add_wait(later, 0.05)
    async with asyncio.timeout(5):
        await asyncio.gather(later, long)
    assert {waiter for waiter, _ in expired} == {short, long, later}
    times = dict(expired)
    assert times[short] >= 0.05
    assert times[later] >= times[short] + 0.05
    assert times[long] >= 0.2
    assert deadlines._queues == {}


async def test_a_wait_that_lasts_does_not_keep_those_that_are_over() -> None:
    loop = asyncio.get_running_loop()
    deadlines: Deadlines[asyncio.Future[None]] = Deadlines(lambda waiter: waiter.cancel())
    lasting: asyncio.Future[None] = loop.create_future()
    deadlines.add_wait(lasting, 30.0)
    for _ in range(10_000):
        waiter = loop.create_future()
        deadlines.add_wait(waiter, 30.0)
        waiter.set_result(None)
    (queue,) = deadlines._queues.values()
    assert len(queue._waits) <= 1000
    assert queue._waits[0][1] is lasting
    lasting.cancel()
