"""Sharing a call: nobody is served by one that began before the question, and nobody calls alone without need."""

import asyncio

import pytest

from runtime.amqp.sealing import SharedCalls


class Act:
    """A call that takes until it is let go; counts how often it began and how many are under way."""

    def __init__(self) -> None:
        self.n_begun = 0
        self.n_under_way = 0
        self.n_most = 0
        self.gate = asyncio.Event()
        self.errors: list[Exception] = []

    async def __call__(self) -> None:
        self.n_begun += 1
        self.n_under_way += 1
        self.n_most = max(self.n_most, self.n_under_way)
        await self.gate.wait()
        self.n_under_way -= 1
        if self.errors:
            raise self.errors.pop(0)


async def turns(n: int = 10) -> None:
    for _ in range(n):
        await asyncio.sleep(0)


async def test_one_who_asks_alone_gets_a_call_of_its_own_each_time() -> None:
    act = Act()
    act.gate.set()
    sharing = SharedCalls(act)
    await sharing.call_soon()
    await sharing.call_soon()
    assert act.n_begun == 2


async def test_all_who_ask_during_a_call_share_the_next_one() -> None:
    act = Act()
    sharing = SharedCalls(act)
    first = asyncio.create_task(sharing.call_soon())
    await turns()
    late = [asyncio.create_task(sharing.call_soon()) for _ in range(100)]
    await turns()
    # The call under way may have looked before they asked.
    assert act.n_begun == 1
    act.gate.set()
    await asyncio.gather(first, *late)
    assert act.n_begun == 2
    assert act.n_most == 1


async def test_nobody_is_served_by_a_call_that_began_before_the_question() -> None:
    act = Act()
    sharing = SharedCalls(act)
    first = asyncio.create_task(sharing.call_soon())
    await turns()
    second = asyncio.create_task(sharing.call_soon())
    act.gate.set()
    await first
    assert not second.done() or act.n_begun == 2
    await second
    assert act.n_begun == 2


async def test_a_failure_reaches_those_who_shared_it_and_not_those_after() -> None:
    act = Act()
    sharing = SharedCalls(act)
    act.errors.append(ConnectionError("gone"))
    together = [asyncio.create_task(sharing.call_soon()) for _ in range(3)]
    act.gate.set()
    results = await asyncio.gather(*together, return_exceptions=True)
    assert [type(result) for result in results] == [ConnectionError] * 3
    await sharing.call_soon()


async def test_one_who_gives_up_leaves_the_call_to_the_others() -> None:
    act = Act()
    sharing = SharedCalls(act)
    impatient = asyncio.create_task(sharing.call_soon())
    patient = asyncio.create_task(sharing.call_soon())
    await turns()
    impatient.cancel()
    with pytest.raises(asyncio.CancelledError):
        await impatient
    act.gate.set()
    await patient
    assert act.n_begun == 1
