"""Those who wait for news hear of all that comes after they took their ticket."""

import asyncio
import gc
import time

from runtime.web.news.wakeups import Wakeups


async def test_news_between_the_reading_and_the_wait_are_not_missed() -> None:
    wakeups = Wakeups()
    ticket = wakeups.take_ticket("run 1", "all")
    for key in ("run 1", "all"):
        wakeups.wake(key)
        wakeups.wake(key)
        began_at = time.monotonic()
        await ticket.wait(within_s=30)
        assert time.monotonic() - began_at < 10


async def test_without_news_the_wait_ends_in_time_and_others_news_wake_nobody() -> None:
    wakeups = Wakeups()
    ticket = wakeups.take_ticket("run 1")
    wakeups.wake("run 2")
    began_at = time.monotonic()
    await ticket.wait(within_s=0.05)
    assert time.monotonic() - began_at >= 0.04


async def test_news_wake_all_who_wait() -> None:
    wakeups = Wakeups()
    tickets = [wakeups.take_ticket("run 1") for _ in range(3)]
    waits = [asyncio.create_task(ticket.wait(within_s=30)) for ticket in tickets]
    await asyncio.sleep(0)
    wakeups.wake("run 1")
    async with asyncio.timeout(10):
        await asyncio.gather(*waits)


async def test_whoever_waits_for_whatever_can_be_woken_at_once() -> None:
    wakeups = Wakeups()
    tickets = [wakeups.take_ticket(n) for n in range(3)]
    wakeups.wake_all()
    async with asyncio.timeout(10):
        await asyncio.gather(*(ticket.wait(within_s=30) for ticket in tickets))


async def test_who_has_left_is_forgotten() -> None:
    wakeups = Wakeups()
    tickets = [wakeups.take_ticket(n) for n in range(100)]
    assert wakeups.n_keys == 100
    del tickets
    gc.collect()
    assert wakeups.n_keys == 0
