"""A loop waits for news, in time or in vain."""

import asyncio

from ewms.queues.arrival import Arrival


async def test_news_end_a_wait_and_without_news_its_time_is_over() -> None:
    arrival = Arrival(0.05)
    asyncio.get_running_loop().call_soon(arrival.announce)
    assert await arrival.wait_for_news()
    assert not await arrival.wait_for_news()


async def test_news_that_come_before_a_wait_or_twice_change_nothing() -> None:
    arrival = Arrival(0.05)
    arrival.announce()
    assert not await arrival.wait_for_news()
    for _ in range(2):
        asyncio.get_running_loop().call_soon(arrival.announce)
    assert await arrival.wait_for_news()


async def test_a_wait_without_a_limit_lasts_until_there_are_news() -> None:
    arrival = Arrival(None)
    wait = asyncio.create_task(arrival.wait_for_news())
    await asyncio.sleep(0.1)
    assert not wait.done()
    arrival.announce()
    assert await wait
