"""The session's servers are the real ones, in the versions EWMS promises."""

from pathlib import Path

import aio_pika
import htcondor2
import httpx2
from pymongo import MongoClient

from deploy.local.choices.launch_options import SCHEDD
from deploy.local.servers.condor_config import N_WORKERS
from deploy.local.servers.rabbitmq import RabbitMQ
from deploy.local.system.services import Servers, Services
from tests.memory_servers import MemoryServers


def test_broker_and_store_have_their_data_where_the_session_wants_them(
    services: Services, servers: Servers | None
) -> None:
    for name in ("mongodb", "rabbitmq"):
        place = services.data.root / name
        assert any(place.iterdir())
        assert place.is_symlink() == isinstance(servers, MemoryServers)


def test_mongodb_takes_transactions(mongo_url: str, mongo_database: str) -> None:
    with MongoClient[dict[str, object]](mongo_url) as client, client.start_session() as session:
        collection = client[mongo_database]["things"]
        with session.start_transaction():
            collection.insert_one({"_id": 1}, session=session)
            collection.insert_one({"_id": 2}, session=session)
        assert collection.count_documents({}) == 2
        assert client.server_info()["version"].startswith("6.")


def test_rabbitmq_is_a_version_that_ends_expired_connections(rabbitmq: RabbitMQ) -> None:
    overview = httpx2.get(f"{rabbitmq.management_url('admin')}/api/overview").json()
    major, minor, *_ = overview["rabbitmq_version"].split(".")
    assert (int(major), int(minor)) >= (4, 3)


async def test_a_service_reaches_its_fresh_vhost(rabbitmq: RabbitMQ, control_vhost: str) -> None:
    connection = await aio_pika.connect(rabbitmq.amqp_url("wms", control_vhost))
    async with connection, connection.channel() as channel:
        await channel.declare_queue("wms.inbox", durable=True, arguments={"x-queue-type": "quorum"})


def test_the_pool_offers_eight_workers(condor: Path) -> None:
    collector = htcondor2.Collector()
    (slot,) = collector.query(htcondor2.AdType.Startd, projection=["Cpus"])
    assert slot["Cpus"] == N_WORKERS
    schedd = htcondor2.Schedd(collector.locate(htcondor2.DaemonType.Schedd, SCHEDD))
    assert schedd.query(projection=["ClusterId"]) == []
