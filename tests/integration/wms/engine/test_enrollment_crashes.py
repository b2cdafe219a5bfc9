"""WMS is killed around the commits of steps with subscriptions: each subscription is exactly before or after a step."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from pydantic import SecretStr

from deploy.local.servers.rabbitmq import RabbitMQ
from ewms.steps.testing import keep_registrations
from ewms.worker.app import run_worker
from ewms.worker.settings import WorkerSettings
from runtime.kernel.store import Store
from schemas.broker.topology import pool_service
from schemas.engine.run_documents import RunDocument
from schemas.engine.subscriptions import SUBSCRIPTIONS
from schemas.ids import RunUuid
from tests.integration.wms.engine import enrolling
from tests.integration.wms.engine.conftest import WmsProcess
from tests.unit.ewms.steps import enrollment
from wms.engine import repository

UUID = RunUuid("44444444-4444-4444-4444-444444444444")

#: The version that the subscription has after each step of the create, by the step's name.
VERSIONS = {
    "Start": 0,
    "Construct Node Enrollment model": 1,
    "Create Process Subscription relation": 1,
    "Do things rather than thing": 2,
    "Update subscription name with node info": 3,
    "Set subscription to 'provisioning'": 4,
    "Unlock subscription": 5,
    "Done": 5,
}

#: Where WMS is killed, one time after the other in the same run. The last WMS lives.
POINTS = [
    # The transactions of this process are those of steps: a launch is a single write.
    "store.before_commit:kill:1",
    "store.committed:kill:1",
    "engine.committed:kill:3",
    "store.before_commit:kill:2",
    "store.committed:kill:1",
    "",
]
#: The pause between two looks, in seconds: after a change of the run, and while WMS waits for what a kill has lost.
_PAUSE_S, _LONG_PAUSE_S = 0.02, 0.2


def count_expected(run: RunDocument) -> int:
    """Return the version that the subscription has, by the steps that have cleared."""
    names = [node.name for node, state in zip(run.graph.nodes, run.nodes, strict=True) if state.status == "successful"]
    return VERSIONS[names[-1]] if names else 0


async def check_versions(store: Store) -> RunDocument | None:
    """Return the run. The subscription stands where its steps say, at any instant."""

    async def read() -> tuple[RunDocument | None, list[dict[str, object]]]:
        run_id = await repository.find_run_id(store, UUID)
        run = None if run_id is None else await repository.load_run(store, run_id)
        return run, await store.find(SUBSCRIPTIONS, {})

    before, found = await read()
    after, _ = await read()
    if before is None or after is None:
        return after
    if before.rev == after.rev:
        assert [one["rev"] for one in found] == [n for n in [count_expected(before)] if n]
    return after


async def test_o1_a_subscription_is_before_or_after_a_step_wherever_wms_is_killed(
    start_wms: Callable[[str], Awaitable[WmsProcess]],
    rabbitmq: RabbitMQ,
    control_vhost: str,
    mongo_url: str,
    mongo_database: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "world").write_text("{}")
    monkeypatch.setenv("WORLD", str(tmp_path / "world"))
    monkeypatch.setenv("DIARY", str(tmp_path / "diary"))
    monkeypatch.setitem(enrollment.WORLD, "do_z", enrolling.do_z)
    points = iter(POINTS)
    wms = await start_wms(next(points))
    store = await Store.connect(mongo_url, database=mongo_database, source="ewms/test")
    settings = WorkerSettings(
        control_amqp_url=SecretStr(rabbitmq.amqp_url(pool_service("default"), control_vhost)),
        worker_modules=(enrolling.__name__,),
        worker_name="w1",
    )
    with keep_registrations():
        enrolling.register_all()
        product = str(enrollment.register_enrollment())
        node = {"organisation": enrollment.CUSTOMER, "esdb_node_id": 12, "select_node": "ams-node-1", "url": "n"}
        state = {"process_id": UUID, "product": product, "role_id": "7", "uuid": "u-12", **node}
        async with run_worker(settings) as presence, asyncio.timeout(300):
            await presence.wait_until_registered()
            launched, rev, changed_at = False, None, time.monotonic()
            while (run := await check_versions(store)) is None or run.status != "successful":
                if wms.process.has_ended:
                    wms = await start_wms(next(points))
                elif not launched:
                    what = {"name": "create_node_enrollment", "uuid": UUID, "state": state, "begins": True}
                    launched = bool(await wms.command("launch", **what))
                if run is not None and run.rev != rev:
                    rev, changed_at = run.rev, time.monotonic()
                is_moving = time.monotonic() - changed_at < 1
                await asyncio.sleep(_PAUSE_S if is_moving else _LONG_PAUSE_S)
    assert list(points) == [], "these points were never passed"
    assert [one["rev"] for one in await store.find(SUBSCRIPTIONS, {})] == [5]
    rows = await repository.load_log(store, run.id)
    ended = [row.node for row in rows if row.act == "ended" and row.node is not None]
    assert ended == [str(n) for n in range(len(VERSIONS))], "no step has cleared twice"
    await store.close()
