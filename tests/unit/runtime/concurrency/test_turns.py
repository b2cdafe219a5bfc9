"""Turns per key."""

import asyncio

import pytest

from runtime.concurrency.turns import Turns


async def test_one_key_is_served_in_the_order_of_arrival_and_others_meanwhile() -> None:
    turns = Turns()
    said: list[str] = []
    release = asyncio.Event()

    async def take(key: str, name: str, wait: bool = False) -> None:
        async with turns.hold_turn(key):
            if wait:
                await release.wait()
            said.append(name)

    tasks = [asyncio.create_task(take("a", "a0", wait=True))]
    await asyncio.sleep(0)
    tasks += [asyncio.create_task(take("a", f"a{n}")) for n in (1, 2, 3)]
    tasks.append(asyncio.create_task(take("b", "b")))
    await asyncio.sleep(0.01)
    assert said == ["b"]
    release.set()
    await asyncio.gather(*tasks)
    assert said == ["b", "a0", "a1", "a2", "a3"]


async def test_so_many_blocks_of_one_key_run_at_a_time_in_the_order_of_arrival() -> None:
    turns = Turns(n_at_once=2)
    running: list[int] = []
    begun: list[int] = []
    most = 0

    async def take(number: int) -> None:
        nonlocal most
        async with turns.hold_turn("a"):
            running.append(number)
            begun.append(number)
            most = max(most, len(running))
            await asyncio.sleep(0)
            running.remove(number)

    await asyncio.gather(*(take(number) for number in range(6)))
    assert (most, begun) == (2, list(range(6)))
    assert not turns._locks


async def test_a_turn_that_fails_or_is_cancelled_passes_on_and_nothing_stays_behind() -> None:
    turns = Turns()

    async def fail() -> None:
        async with turns.hold_turn("a"):
            await asyncio.sleep(0.01)
            raise ValueError

    waiting = [asyncio.create_task(fail()) for _ in range(3)]
    await asyncio.sleep(0)
    waiting[1].cancel()
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(r) for r in results] == [ValueError, asyncio.CancelledError, ValueError]
    async with asyncio.timeout(1), turns.hold_turn("a"):
        pass
    assert not turns._locks


async def test_a_turn_does_not_swallow_errors() -> None:
    with pytest.raises(KeyError):
        async with Turns().hold_turn("a"):
            raise KeyError
