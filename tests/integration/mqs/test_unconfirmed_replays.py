"""A replay that a blocked broker did not confirm lies in its queue before anybody judges that queue empty."""

import asyncio
import uuid
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from deploy.local.fetch.cache import Installed
from deploy.local.files.run_directory import run_directory
from deploy.local.servers.broker_admin import BrokerAdmin
from mqs.letters.letter_orders import LetterOrders
from runtime.amqp import Connection, ConnectionLost
from schemas.errors import Unavailable
from tests.alarms import AlarmingRabbitMQ, alarming_broker
from tests.waiting import eventually


@pytest.fixture(scope="module")
def broker(installed: Installed) -> Iterator[AlarmingRabbitMQ]:
    with run_directory() as run, alarming_broker(installed, run) as running:
        yield running


async def test_the_broker_has_read_every_replay_before_they_count_as_settled(broker: AlarmingRabbitMQ) -> None:
    number = uuid.uuid4().hex[:12]
    with BrokerAdmin(broker.management_url("admin")) as admin:
        admin.add_vhosts(list(broker.users), control_vhost=f"control-{number}", data_vhost=f"data-{number}")
    connection = await Connection.connect(broker.amqp_url("mqs", f"data-{number}"), name="dead letters")
    absent: Any = None
    replays = LetterOrders(absent, connection, absent, per_s=100)
    said: list[str] = []

    async def count() -> int:
        async with connection.lend_channel() as channel:
            return (await channel.queue_declare("origin", passive=True)).message_count or 0

    connection.blockade.on_change.append(said.append)
    try:
        async with connection.lend_channel() as channel:
            await channel.queue_declare("origin", durable=True, arguments={"x-queue-type": "quorum"})
        await replays.confirm_replays()
        with broker.alarm():
            # A connection is blocked by the first event that it publishes: the last of these is not confirmed.
            n_sent = 0
            while not said:
                n_sent += 1
                with suppress(ConnectionLost):
                    await connection.publish("", "origin", b"replay", message_id=f"replay-{n_sent}", timeout_s=0.2)
            with pytest.raises(Unavailable, match="takes no events"):
                await replays.confirm_replays()
        async with asyncio.timeout(60):
            await replays.confirm_replays()
        assert await eventually(count, lambda n: n >= n_sent) == n_sent
    finally:
        await connection.close()
