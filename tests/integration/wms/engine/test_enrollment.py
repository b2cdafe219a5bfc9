"""The first seed's enrollment, end to end: a real worker, a real engine, and kills between."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from pydantic import SecretStr

from deploy.local.servers.rabbitmq import RabbitMQ
from ewms.steps.testing import keep_registrations
from ewms.worker.app import run_worker
from ewms.worker.settings import WorkerSettings
from schemas.broker.topology import pool_service
from schemas.engine.run_documents import RunDocument
from schemas.engine.runs import WantKind
from schemas.engine.subscriptions import SUBSCRIPTIONS, SubscriptionDocument
from schemas.errors import Rejected
from schemas.ids import RunId, RunUuid
from tests.integration.wms.engine import enrolling
from tests.integration.wms.engine.conftest import EngineWorld
from tests.unit.ewms.steps import enrollment
from tests.unit.ewms.steps.enrollment import CUSTOMER
from wms.engine import repository
from wms.engine.life.launching import LaunchWish
from wms.engine.life.stimuli import Resume, Wish
from wms.tenancy.rights import Principal, TenancyRole

MODULE = enrolling.__name__
NODE = {"organisation": CUSTOMER, "esdb_node_id": 12, "select_node": "ams-node-1", "url": "https://n", "uuid": "u-12"}


class Enrollments:
    """The enrollment's processes on a running system."""

    def __init__(self, world: EngineWorld, path: Path) -> None:
        self.world = world
        self._path = path
        self.diary = path / "diary"

    def set_world(self, **facts: str) -> None:
        """Say what the world outside does."""
        (self._path / "world.new").write_text(json.dumps(facts))
        (self._path / "world.new").rename(self._path / "world")

    async def launch(self, name: str, **state: Any) -> RunId:
        """Launch a workflow, as its form would."""
        process = str(uuid.uuid4())
        first = {"process_id": process, "reporter": "ada", "workflow_name": name}
        wish = LaunchWish(who="ada", state=first | state)
        return (await self.world.wms.engine.launch_run(name, wish, run_uuid=RunUuid(process))).id

    async def create(self) -> RunId:
        """Launch the create workflow."""
        product = next(iter(await self.world.wms.products.list_products("create_node_enrollment")))
        return await self.launch("create_node_enrollment", product=str(product.product_id), role_id="7", **NODE)

    async def read(self, run: RunDocument) -> SubscriptionDocument:
        """Return the subscription on which a process works."""
        found = await self.world.wms.subscriptions.read_subscription(UUID(run.state["subscription_id"]))
        assert found is not None
        return found

    async def make_node(self) -> SubscriptionDocument:
        """Return a subscription that a create has made."""
        return await self.read(await self.world.until_status(await self.create(), "successful"))


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as opened:
        yield opened


@pytest.fixture
async def enrollments(
    engine_world: EngineWorld,
    rabbitmq: RabbitMQ,
    control_vhost: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    stack: AsyncExitStack,
) -> Enrollments:
    """WMS, and a worker that has the enrollment."""
    made = Enrollments(engine_world, tmp_path)
    made.set_world()
    made.diary.touch()
    monkeypatch.setitem(enrollment.WORLD, "device", {"name": "ams-1"})
    monkeypatch.setitem(enrollment.WORLD, "do_z", enrolling.do_z)
    monkeypatch.setenv("WORLD", str(tmp_path / "world"))
    monkeypatch.setenv("DIARY", str(made.diary))
    stack.enter_context(keep_registrations())
    enrolling.register_all()
    settings = WorkerSettings(
        control_amqp_url=SecretStr(rabbitmq.amqp_url(pool_service("default"), control_vhost)),
        worker_modules=(MODULE,),
        worker_name="w1",
    )
    presence = await stack.enter_async_context(run_worker(settings))
    async with asyncio.timeout(60):
        await presence.wait_until_registered()
    return made


async def test_o1_o20_o34_the_enrollment_goes_from_create_to_terminate(enrollments: Enrollments) -> None:
    world = enrollments.world
    created = await world.until_status(await enrollments.create(), "successful")
    node = await enrollments.read(created)
    assert (node.status, node.insync, node.customer_id) == ("provisioning", True, CUSTOMER)
    assert created.subscriptions == (str(node.subscription_id),)
    assert created.state["subscription"]["ne"]["esdb_node_id"] == 12

    on = {"subscription_id": str(node.subscription_id)}
    for name, status in (
        ("provision_node_enrollment", "active"),
        ("validate_node_enrollment", "active"),
        ("terminate_node_enrollment", "terminated"),
    ):
        ended = await world.until_status(await enrollments.launch(name, **on), "successful")
        after = await enrollments.read(ended)
        assert (after.status, after.insync) == (status, True), name
        assert ended.subscriptions == (on["subscription_id"],)
    assert after.start_date is not None
    assert after.end_date is not None
    assert after.description == "Node node-12 Production"


async def test_o5_o15_a_failed_create_leaves_the_subscription_as_it_was_and_a_retry_goes_on(
    enrollments: Enrollments,
) -> None:
    world = enrollments.world
    enrollments.set_world(do_z="fail")
    run = await enrollments.create()
    halted = await world.until_status(run, "halted")
    before = await enrollments.read(halted)
    assert (before.status, before.insync, before.version) == ("initial", False, 1)
    assert halted.subscriptions == (str(before.subscription_id),)

    enrollments.set_world()
    await world.wms.engine.apply_stimulus(run, Resume(who="ada"))
    ended = await world.until_status(run, "successful")
    after = await enrollments.read(ended)
    assert (after.subscription_id, after.status, after.insync) == (before.subscription_id, "provisioning", True)
    assert enrollments.diary.read_text().split() == ["z", "z"]
    assert await world.wms.store.count(SUBSCRIPTIONS, {}) == 1


async def test_of_two_modifies_at_once_exactly_one_gets_the_subscription(enrollments: Enrollments) -> None:
    world = enrollments.world
    node = await enrollments.make_node()
    on = {"subscription_id": str(node.subscription_id)}
    runs = [await enrollments.launch("modify_node_enrollment", **on) for _ in range(6)]

    ended = [await world.until(run, lambda one: one.status in ("successful", "halted")) for run in runs]

    lost = [one for one in ended if one.status == "halted"]
    got = len(ended) - len(lost)
    after = await enrollments.read(ended[0])
    assert got >= 1
    # Each that got it has locked it, looked at it and unlocked it. The others have changed nothing.
    assert after.version == node.version + 3 * got
    assert after.insync
    for run in lost:
        error = next(state.error for state in run.nodes if state.error is not None)
        assert error.error_class in ("StaleVersion", "ValueError")


async def test_a_process_that_fails_leaves_the_subscription_locked_and_a_second_one_does_not_get_it(
    enrollments: Enrollments, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = enrollments.world
    node = await enrollments.make_node()
    on = {"subscription_id": str(node.subscription_id)}
    await world.until_status(await enrollments.launch("provision_node_enrollment", **on), "successful")
    monkeypatch.setitem(enrollment.WORLD, "device", None)
    failed = await world.until_status(await enrollments.launch("validate_node_enrollment", **on), "halted")
    assert not (await enrollments.read(failed)).insync

    second = await world.until_status(await enrollments.launch("modify_node_enrollment", **on), "halted")
    error = next(state.error for state in second.nodes if state.error is not None)
    assert error.message.startswith(f"subscription {node.subscription_id} is out of sync already")
    # An abort does not unlock it, either.
    await world.wms.engine.apply_stimulus(failed.id, Wish(WantKind.CANCEL, who="ada"))
    assert not (await enrollments.read(await world.until_status(failed.id, "canceled"))).insync


async def test_a_step_reads_what_did_not_come_with_it(enrollments: Enrollments) -> None:
    node = await enrollments.make_node()

    run = await enrollments.launch("look_around_nodes", esdb_node_id=12, subscription_id=str(uuid.uuid4()))

    ended = await enrollments.world.until_status(run, "successful")
    assert ended.state["nodes"] == [str(node.subscription_id)]
    assert (ended.state["uuid"], ended.state["in_use"]) == ("u-12", [])
    assert ended.state["product"] == str(node.product.product_id)
    # It is no process on that subscription.
    assert ended.subscriptions == ()


async def test_o8_a_product_that_is_registered_twice_is_one_row(enrollments: Enrollments) -> None:
    products = enrollments.world.wms.products
    [product] = await products.list_products()
    changed = product.model_copy(update={"product_id": uuid.uuid4(), "description": "anew"})
    assert (await products.register_product(changed)).product_id == product.product_id
    assert [one.description for one in await products.list_products()] == ["anew"]
    assert [one.name for one in await products.list_workflows(product)] == [
        "create_node_enrollment",
        "modify_node_enrollment",
        "provision_node_enrollment",
        "terminate_node_enrollment",
        "validate_node_enrollment",
    ]


async def test_o13_o22_a_start_by_forms_asks_the_worker_and_the_worker_asks_for_the_subscription(
    enrollments: Enrollments,
) -> None:
    wms = enrollments.world.wms
    ada = Principal("ada", frozenset({TenancyRole.SUPERUSER}))
    [product] = await wms.products.list_products()
    pages = [{"product": str(product.product_id)}, {**NODE, "role_id": "7"}]

    async def start(name: str, given: list[dict[str, Any]]) -> RunDocument:
        uuid = await wms.processes.starts.start_process(name, given, ada)
        run = await repository.find_run_id(wms.store, uuid)
        assert run is not None
        return await enrollments.world.until_status(run, "successful")

    node = await enrollments.read(await start("create_node_enrollment", pages))
    on = [{"subscription_id": str(node.subscription_id), "version": node.version}]
    with pytest.raises(Rejected) as caught:
        await wms.processes.starts.start_process("modify_node_enrollment", [on[0] | {"version": 1}], ada)
    assert "you have seen version 1" in str(getattr(caught.value, "members", caught.value))
    provisioned = await start("provision_node_enrollment", on)
    after = await enrollments.read(provisioned)
    assert (after.status, after.insync) == ("active", True)
    assert provisioned.subscriptions == (str(node.subscription_id),)
    assert provisioned.state["version"] == node.version
