"""Vhosts that tests use one after the other: the next one finds nothing of the test before."""

import pytest

from deploy.local.servers.broker_admin import BrokerAdmin
from deploy.local.servers.rabbitmq import RabbitMQ
from runtime.amqp import Connection
from runtime.bus.inbox import declare_inbox
from schemas.broker.topology import inbox_queue
from tests.kept_vhosts import KeptVhosts


async def count_events(link: Connection, queue: str) -> int | None:
    async with link.lend_channel() as channel:
        return (await channel.queue_declare(queue, passive=True)).message_count


async def test_a_control_vhost_keeps_its_inboxes_without_their_events(
    rabbitmq: RabbitMQ, broker_admin: BrokerAdmin
) -> None:
    vhosts = KeptVhosts(broker_admin, list(rabbitmq.users))
    vhost = vhosts.take_vhost()
    link = await Connection.connect(rabbitmq.amqp_url("admin", vhost))
    await declare_inbox(link, "wms")
    async with link.lend_channel() as channel:
        await channel.queue_declare("other", durable=True, arguments={"x-queue-type": "quorum"})
    await link.publish("", inbox_queue("wms"), b"1", message_id="1")
    vhosts.return_vhost(vhost)
    await link.close()
    assert vhosts.take_vhost() == vhost
    assert "other" not in broker_admin.list_queues(vhost)
    again = await Connection.connect(rabbitmq.amqp_url("admin", vhost))
    assert await count_events(again, inbox_queue("wms")) == 0
    await again.close()
    broker_admin.remove_vhost(vhost)


@pytest.mark.parametrize(("n_queues", "is_kept"), [(2, True), (11, False)])
async def test_a_data_vhost_is_emptied_or_made_anew(
    rabbitmq: RabbitMQ, broker_admin: BrokerAdmin, n_queues: int, is_kept: bool
) -> None:
    vhosts = KeptVhosts(broker_admin, list(rabbitmq.users), has_events=True)
    vhost = vhosts.take_vhost()
    link = await Connection.connect(rabbitmq.amqp_url("mqs", vhost))
    async with link.lend_channel() as channel:
        await channel.exchange_declare("x.a", exchange_type="direct", durable=True)
        for number in range(n_queues):
            await channel.queue_declare(f"a{number}", durable=True)
    vhosts.return_vhost(vhost)
    await link.close()
    taken = vhosts.take_vhost()
    assert (taken == vhost) is is_kept
    assert broker_admin.list_queues(taken) == []
    assert broker_admin.list_exchanges(taken) == []
    broker_admin.remove_vhost(taken)
