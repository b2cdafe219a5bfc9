"""A broker that is low on memory reads nothing: everybody waits, says why, and sends no event a second time."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from deploy.local.fetch.cache import Installed
from deploy.local.files.run_directory import run_directory
from deploy.local.servers.broker_admin import BrokerAdmin
from runtime.amqp import Connection, ConnectionLost
from schemas.broker.topology import event_exchange
from schemas.ids import Mqid
from tests.alarms import AlarmingRabbitMQ, alarming_broker
from tests.integration.pilot.field import Field, opened

COPY = {"EWMS_PILOT_TASK_ARGS": "cp {{INFILE}} {{OUTFILE}}", "EWMS_PILOT_TIMEOUT_QUEUE_INCOMING": 30}


@pytest.fixture(scope="module")
def broker(installed: Installed) -> Iterator[AlarmingRabbitMQ]:
    with run_directory() as run, alarming_broker(installed, run) as running:
        yield running


@pytest.fixture
async def field(broker: AlarmingRabbitMQ, tmp_path: Path) -> AsyncIterator[Field]:
    """One workflow's queues on a fresh vhost of that broker."""
    number = secrets.token_hex(6)
    control, data = f"control-{number}", f"data-{number}"
    with BrokerAdmin(broker.management_url("admin")) as admin:
        admin.add_vhosts(list(broker.users), control_vhost=control, data_vhost=data)
        async with opened(broker, data, tmp_path) as workflow:
            yield workflow


async def publish(connection: Connection, mqid: Mqid, number: int, timeout_s: float | None) -> None:
    await connection.publish(event_exchange(mqid), mqid, b"x", message_id=f"event-{number}", timeout_s=timeout_s)


async def block(connection: Connection, broker_says: list[str], mqid: Mqid) -> "asyncio.Task[None]":
    """Publish until the broker says that it is blocked; return the publication that it does not confirm, by number."""
    for number in range(1000, 2000):
        attempt = asyncio.create_task(publish(connection, mqid, number, None), name=str(number))
        while not attempt.done() and not broker_says:
            await asyncio.sleep(0.02)
        if broker_says:
            return attempt
        await asyncio.sleep(0.05)
    raise AssertionError("the alarm did not go off")


async def test_an_event_that_timed_out_on_a_blocked_connection_is_not_sent_a_second_time(
    field: Field, broker: AlarmingRabbitMQ
) -> None:
    mqid = await field.queue()
    connection = await Connection.connect(field.url)
    said: list[str] = []
    connection.blockade.on_change.append(said.append)
    try:
        with broker.alarm():
            held_up = await block(connection, said, mqid)
            assert "memory" in said[0]
            n_before = await field.depth(mqid)
            for _ in range(3):
                with pytest.raises(ConnectionLost, match="takes no events for now: low on memory"):
                    await publish(connection, mqid, 1, 0.1)
            joined = [asyncio.create_task(publish(connection, mqid, 1, None)) for _ in range(2)]
            await asyncio.sleep(0)
            assert not held_up.done()
        await asyncio.wait_for(asyncio.gather(held_up, *joined), 20)
        assert said[1:] == [""]
        assert await field.depth(mqid) == n_before + 2
    finally:
        await connection.close()


async def test_what_was_handed_over_before_the_block_is_waited_for_and_not_repeated(
    field: Field, broker: AlarmingRabbitMQ
) -> None:
    mqid = await field.queue()
    connection = await Connection.connect(field.url)
    said: list[str] = []
    connection.blockade.on_change.append(said.append)
    try:
        with broker.alarm():
            held_up = await block(connection, said, mqid)
            number = int(held_up.get_name())
            n_before = await field.depth(mqid)
            held_up.cancel()
            for _ in range(3):
                with pytest.raises(ConnectionLost, match="low on memory"):
                    await publish(connection, mqid, number, 0.1)
            again = asyncio.create_task(publish(connection, mqid, number, None))
        await asyncio.wait_for(again, 20)
        assert await field.depth(mqid) == n_before + 1
    finally:
        await connection.close()


async def test_a_pilot_waits_for_a_blocked_broker_says_why_and_runs_each_event_once(
    field: Field, broker: AlarmingRabbitMQ
) -> None:
    n_events = 12
    source, target = await field.queue(), await field.queue()
    await field.put(source, *(b"%d" % n for n in range(n_events)))
    with broker.alarm():
        pilot = await field.pilot(COPY, inputs=[source], outputs=[target])
        await pilot.until(lambda pilot: "takes no events for now" in pilot.log)
        assert "memory" in pilot.log
    got = await field.take(target, n_events)
    assert sorted(int(message.body) for message in got) == list(range(n_events))
    assert len({message.message_id for message in got}) == n_events
    pilot.signal(15)
    assert await pilot.ended() == 0
    assert await field.depth(target) == 0
    assert pilot.log.count("takes no events for now") == 1
