"""A broker that is killed just after queues were made keeps what it had confirmed; a broker of the test's own."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from prometheus_client import REGISTRY

from deploy.local.children.processes import LaunchedProcesses
from deploy.local.choices.launch_options import SCHEDD
from deploy.local.choices.ports import Ports
from deploy.local.fetch.cache import Installed
from deploy.local.files.run_directory import make_empty, run_directory
from deploy.local.servers.broker_admin import BrokerAdmin
from deploy.local.servers.rabbitmq import BrokerPlan, RabbitMQ
from deploy.local.system.data_directory import throwaway_data
from deploy.local.system.services import ServerPlaces, Unpacked
from mqs.broker.data_vhost import DataVhost
from mqs.broker.topology import group_deletion
from runtime.amqp import Connection
from runtime.bus.service_bus import Bus
from schemas.broker.services import Service
from schemas.broker.topology import dead_inbox, dead_queue, inbox_queue, parked_inbox
from tests.campaigns.queues import Cycle, Kind, Site, run_cycle
from tests.integration.mqs.conftest import Plan


@pytest.fixture(scope="module")
def run() -> Iterator[Path]:
    with run_directory() as run:
        yield run


@pytest.fixture(scope="module")
def own_broker(run: Path, installed: Installed) -> Iterator[RabbitMQ]:
    """A broker that a test may kill."""
    places = ServerPlaces(run, throwaway_data(make_empty(run / "data")), Ports())
    with LaunchedProcesses() as children:
        broker = Unpacked(installed).start_rabbitmq(children, places, BrokerPlan(schedds=(SCHEDD,)))
        yield broker
        broker.stop()


async def test_an_inbox_is_written_down_before_it_is_bound(
    run: Path, own_broker: RabbitMQ, mongo_admin_url: str
) -> None:
    site = Site(own_broker, mongo_admin_url)
    async with site.vhost():
        bus = await Bus.connect(own_broker.amqp_url("wms", site.control_vhost), service=Service.WMS, source="ewms/test")
        (directory,) = run.rglob("quorum/*/names.dets")
        written = directory.read_bytes()
        await bus.close()
        for queue in (inbox_queue(Service.WMS), dead_inbox(Service.WMS), parked_inbox(Service.WMS)):
            name = f"{site.control_vhost}_{queue}".encode()
            # With its length before it, as Erlang writes an atom: one of the names is the beginning of the others.
            assert bytes([len(name)]) + name in written


async def test_a_killed_broker_keeps_what_it_confirmed_on_queues_that_were_just_activated(
    own_broker: RabbitMQ, mongo_admin_url: str
) -> None:
    cycle = Cycle(0, Kind.WORKFLOW, age_s=0, midway_s=0)
    assert await run_cycle(Site(own_broker, mongo_admin_url), cycle) == (40, set())


async def test_queues_that_lack_a_leader_after_the_brokers_death_are_found_and_can_be_made_anew(
    own_broker: RabbitMQ,
) -> None:
    with BrokerAdmin(own_broker.management_url("admin")) as admin:
        admin.add_vhosts(list(own_broker.users), control_vhost="halves-control", data_vhost="halves")
    url = own_broker.amqp_url("mqs", "halves")
    plans = [Plan() for _ in range(6)]
    broker = await DataVhost.connect(url, own_broker.api_url)
    halves = [asyncio.create_task(_declare_all(broker, plan)) for plan in plans]
    await asyncio.wait(halves, return_when=asyncio.FIRST_COMPLETED)
    await asyncio.to_thread(own_broker.kill)
    await asyncio.gather(*halves, return_exceptions=True)
    await broker.close()
    await asyncio.to_thread(own_broker.restart)

    broker = await DataVhost.connect(url, own_broker.api_url)
    connection = await Connection.connect(own_broker.amqp_url("admin", "halves"), name="test")
    for plan in plans:
        queues = (*plan.mqids, dead_queue(plan.workflow_id))
        await _declare_all(broker, plan)
        if await broker.find_leaderless(queues):
            await broker.remove_queues(group_deletion(plan.workflow_id, plan.mqids, with_dead_letters=True))
            await _declare_all(broker, plan)
        assert await broker.find_leaderless(queues) == []
        for queue in queues:
            await connection.publish("", queue, b"event", message_id=queue, timeout_s=10)
    await connection.close()
    await broker.close()


async def _declare_all(broker: DataVhost, plan: Plan) -> None:
    await broker.declare_queues(plan.workflow_id, plan.mqids)
    await broker.declare_exchanges(plan.workflow_id, plan.mqids)


#: What an operator may have set so that a seal is refused, as paths and bodies of the management API.
_REFUSALS = {
    "rights": (
        "permissions/{vhost}/mqs",
        {"configure": r"^(a[0-9a-f]{20}|x\..*|dead.*)$", "write": ".*", "read": ".*"},
    ),
    "limit": ("vhost-limits/{vhost}/max-queues", {"value": 0}),
}


@pytest.mark.parametrize("why", _REFUSALS)
async def test_where_the_broker_refuses_a_seal_new_queues_are_left_alone_for_a_while(
    own_broker: RabbitMQ, why: str
) -> None:
    vhost, (path, body) = f"narrow-{why}", _REFUSALS[why]
    with BrokerAdmin(own_broker.management_url("admin")) as admin:
        admin.add_vhosts(list(own_broker.users), control_vhost=f"{vhost}-control", data_vhost=vhost)
    url = f"{own_broker.management_url('admin')}/api/{path.format(vhost=vhost)}"
    httpx2.put(url, json=body).raise_for_status()
    broker = await DataVhost.connect(own_broker.amqp_url("mqs", vhost), own_broker.api_url, settle_s=0.3)
    n_before = REGISTRY.get_sample_value("ewms_mqs_seals_refused_total") or 0
    began = time.monotonic()
    await broker.seal_queues()
    assert time.monotonic() - began >= 0.3
    assert REGISTRY.get_sample_value("ewms_mqs_seals_refused_total") == n_before + 1
    await broker.close()
