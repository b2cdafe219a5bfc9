"""An event's id reaches a user once, whichever program, loop or crash comes between; and no event is lost for that."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ewms import AsyncClient
from ewms.queues.memory import Remember
from ewms.queues.received_file import ReceivedFile
from ewms.queues.results import AsyncResults
from runtime.amqp import Delivery
from tests.integration.ewms.conftest import ALIAS, WORKFLOW, FakeGateway, PublicQueue
from tests.waiting import eventually

#: Takes three events, and is killed within the body of the third: it has done its work and not yet said so.
CONSUMER = """
import os, signal, sys
from ewms import Client
with Client(sys.argv[1], token="t") as ews:
    results = ews.run(sys.argv[2]).queue(sys.argv[3]).results(prefetch=1)
    for number, event in enumerate(results):
        print(event.body, flush=True)
        if number == 2:
            os.kill(os.getpid(), signal.SIGKILL)
"""


async def publish(gateway: FakeGateway, keys: list[str]) -> None:
    async with AsyncClient(gateway.url, token="t") as ews, ews.run(WORKFLOW).queue(ALIAS).publisher() as publisher:
        for key in keys:
            await publisher.send(key, key=key)


async def consume(gateway: FakeGateway, *, remember: Remember = True, idle_s: float = 1.0) -> tuple[list[str], int]:
    """Return what a new program gets, in order of the names, and how many events it was spared."""
    async with AsyncClient(gateway.url, token="t") as ews:
        results = ews.run(WORKFLOW).queue(ALIAS).results(idle_timeout=idle_s, remember=remember)
        return sorted([event.body async for event in results]), results.n_duplicates


async def test_what_one_program_has_dealt_with_no_other_gets_again(
    gateway: FakeGateway, public_queue: PublicQueue, tmp_path: Path
) -> None:
    await publish(gateway, ["a", "b"])
    assert await consume(gateway) == (["a", "b"], 0)
    await publish(gateway, ["a", "b", "c"])
    assert await consume(gateway) == (["c"], 2)
    assert await public_queue.n_ready() == 0
    # Another place knows nothing, and who does not want it has nothing left out.
    await publish(gateway, ["a"])
    assert await consume(gateway, remember=tmp_path / "elsewhere") == (["a"], 0)
    await publish(gateway, ["a"])
    assert await consume(gateway, remember=False) == (["a"], 0)


async def test_a_body_that_did_not_end_gets_its_event_again(gateway: FakeGateway, public_queue: PublicQueue) -> None:
    await publish(gateway, ["a", "b"])
    async with AsyncClient(gateway.url, token="t") as ews:
        async for _ in ews.run(WORKFLOW).queue(ALIAS).results():
            break
    assert await consume(gateway) == (["a", "b"], 0)


async def test_an_event_acknowledged_early_counts_as_dealt_with(
    gateway: FakeGateway, public_queue: PublicQueue
) -> None:
    await publish(gateway, ["a"])
    async with AsyncClient(gateway.url, token="t") as ews:
        results = ews.run(WORKFLOW).queue(ALIAS).results()
        async for _ in results:
            await results.ack()
            break
    await publish(gateway, ["a"])
    assert await consume(gateway) == ([], 1)


async def test_a_consumer_killed_before_its_body_ended_gets_that_event_again_and_those_before_not(
    gateway: FakeGateway, public_queue: PublicQueue
) -> None:
    keys = [str(number) for number in range(6)]
    await publish(gateway, keys)
    killed = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", CONSUMER, gateway.url, WORKFLOW, ALIAS],
        stdout=subprocess.PIPE,
        text=True,
        timeout=150,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert killed.returncode == -signal.SIGKILL
    # One copy more of what it finished: their acknowledgements may or may not have reached the broker.
    first = killed.stdout.split()
    await publish(gateway, first)
    got, n_duplicates = await consume(gateway, idle_s=3.0)
    assert len(first) == 3
    # Each body that ended was recorded before the next event could come, which waited for the acknowledgement.
    assert got == sorted({first[2], *keys} - set(first[:2]))
    assert n_duplicates >= 2
    assert await public_queue.n_ready() == 0


async def test_a_crash_between_the_record_and_the_acknowledgement_repeats_nothing(
    gateway: FakeGateway, public_queue: PublicQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(_: Delivery) -> bool:
        return False

    await publish(gateway, ["a", "b"])
    with monkeypatch.context() as patch:
        patch.setattr(Delivery, "ack_now", never)
        assert await consume(gateway) == (["a", "b"], 0)
    # The broker takes back what was on loan some time after the connection has closed.
    await eventually(public_queue.n_ready, lambda n_ready: n_ready == 2)
    assert await consume(gateway) == ([], 2)
    assert await public_queue.n_ready() == 0


async def test_nothing_is_acknowledged_before_it_is_recorded(
    gateway: FakeGateway, public_queue: PublicQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    record, ack_now = ReceivedFile.record_events, Delivery.ack_now

    def recorded(self: ReceivedFile, ids: list[str], *, now_s: float) -> None:
        record(self, ids, now_s=now_s)
        said.extend(f"recorded {id_}" for id_ in ids)

    def acknowledged(self: Delivery) -> bool:
        said.append(f"acknowledged {self.id}")
        return ack_now(self)

    monkeypatch.setattr(ReceivedFile, "record_events", recorded)
    monkeypatch.setattr(Delivery, "ack_now", acknowledged)
    await publish(gateway, [str(number) for number in range(50)])
    got, _ = await consume(gateway)
    assert len(got) == 50
    ids = {word.partition(" ")[2] for word in said}
    assert all(said.index(f"recorded {id_}") < said.index(f"acknowledged {id_}") for id_ in ids)


async def bodies(results: AsyncResults) -> list[str]:
    return [event.body async for event in results]


async def test_two_loops_at_the_same_time_deal_with_each_event_once(
    gateway: FakeGateway, public_queue: PublicQueue
) -> None:
    async with AsyncClient(gateway.url, token="t") as ews, AsyncClient(gateway.url, token="t") as other:
        first = ews.run(WORKFLOW).queue(ALIAS).results(n=50)
        await publish(gateway, [str(number) for number in range(50)])
        got = [event.body async for event in first]
        # Both are open when the copies come, and the broker gives some to each.
        loops = [client.run(WORKFLOW).queue(ALIAS).results(idle_timeout=2, prefetch=5) for client in (ews, other)]
        async with loops[0], loops[1]:
            await publish(gateway, [str(number) for number in range(60)])
            for taken in await asyncio.gather(*map(bodies, loops)):
                got += taken
    assert sorted(got) == sorted(str(number) for number in range(60))
    assert sum(loop.n_duplicates for loop in loops) == 50
