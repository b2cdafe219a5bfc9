"""The builder as a step worker of a real engine: what its runs leave in their state, and how they fail."""

import json
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from deploy.local.servers.rabbitmq import RabbitMQ
from ewms.steps.testing import keep_definitions, keep_registrations
from ewms.worker.app import run_worker
from ewms.worker.settings import WorkerSettings
from processes.builds.programs import Programs
from processes.builds.settings import load_settings
from schemas.automation.builds import (
    BUILD_IMAGE,
    BUILD_POOL,
    COMMIT_KEY,
    FIND_COMMIT,
    IMAGE_KEY,
    SYNCED_KEY,
    BuildOrder,
    BuiltImage,
    DirectorySource,
    FoundCommit,
    SyncedImage,
    make_build_state,
)
from schemas.broker.topology import pool_service
from tests.integration.processes.builds.conftest import account_settings, builder_directory, programs  # noqa: F401
from tests.integration.wms.engine.conftest import EngineWorld

MODULE = "processes.builds.step_lists"

_PATIENCE_S = 200


@pytest.fixture
async def builder(
    engine_world: EngineWorld,
    rabbitmq: RabbitMQ,
    control_vhost: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    programs: Programs,  # noqa: F811 - pytest's way to share fixtures
    builder_directory: Path,  # noqa: F811
    account_settings: dict[str, Any],  # noqa: F811
) -> AsyncIterator[EngineWorld]:
    """A WMS, and a worker of the pool `ewms-builder` with the location `north`."""
    paths = {"builder": str(programs.builder), "containers": str(programs.containers)}
    bases = {name: str(root) for name, root in programs.bases.items()}
    (tmp_path / "programs").write_text(json.dumps({**paths, "bases": bases}))
    told = {
        "EWMS_BUILD_DIRECTORY": str(builder_directory),
        "EWMS_BUILD_PROGRAMS": str(tmp_path / "programs"),
        "EWMS_TASK_ROOTS": json.dumps([str(tmp_path)]),
        "EWMS_BUILD_LOCATIONS": json.dumps({"north": {"directory": str(tmp_path / "north")}}),
        "EWMS_BUILD_HOLDER": json.dumps(account_settings.get("build_holder", ())),
    }
    if account_settings:
        told["EWMS_BUILD_ACCOUNT"] = str(account_settings["build_account"])
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    load_settings.cache_clear()
    settings = WorkerSettings(
        control_amqp_url=SecretStr(rabbitmq.amqp_url(pool_service(BUILD_POOL), control_vhost)),
        worker_modules=(MODULE,),
        worker_pool=BUILD_POOL,
        worker_name="builder",
    )
    async with AsyncExitStack() as stack:
        # The worker offers the builder's lists alone, and the workers of other tests do not offer them.
        stack.enter_context(keep_definitions(without_others=True))
        stack.enter_context(keep_registrations())
        monkeypatch.delitem(sys.modules, MODULE, raising=False)
        presence = await stack.enter_async_context(run_worker(settings))
        await presence.wait_until_registered()
        yield engine_world
    load_settings.cache_clear()


def make_order(directory: Path, **fields: Any) -> BuildOrder:
    """Return an order for the task in `directory`."""
    source = DirectorySource(path=str(directory))
    return BuildOrder(build="e1", task=1, version=1, source=source, locations=("north",), **fields)


async def test_c13_c15_c16_an_approved_directory_is_synced_as_soon_as_its_location_is_there(
    builder: EngineWorld, tmp_path: Path
) -> None:
    (task := tmp_path / "task").mkdir()
    (task / "Dockerfile").write_text("FROM scratch\nCOPY . /craton\n")
    order = make_order(task)
    looked = await builder.launch(FIND_COMMIT, state=make_build_state(order, "t"))
    state = (await builder.until_status(looked, "successful", seconds=_PATIENCE_S)).state
    commit = FoundCommit.model_validate(state[COMMIT_KEY]).commit

    run = await builder.launch(BUILD_IMAGE, state=make_build_state(make_order(task, commit=commit), "t"))
    waits = await builder.until(
        run, lambda document: any("location 'north'" in str(node.error) for node in document.nodes), seconds=_PATIENCE_S
    )
    image = BuiltImage.model_validate(waits.state[IMAGE_KEY])
    assert SYNCED_KEY not in waits.state
    (tmp_path / "north").mkdir()
    state = (await builder.until_status(run, "successful", seconds=_PATIENCE_S)).state
    synced = SyncedImage.model_validate(state[SYNCED_KEY]["north"])
    assert synced.digest == image.digest
    assert (Path(synced.image) / "craton/Dockerfile").is_file()


async def test_c14_a_build_that_fails_halts_with_the_reason(builder: EngineWorld, tmp_path: Path) -> None:
    (task := tmp_path / "task").mkdir()
    (task / "Dockerfile").write_text("FROM scratch\n")
    commit = "sha256:" + "0" * 64
    run = await builder.launch(BUILD_IMAGE, state=make_build_state(make_order(task, commit=commit), "t"))
    halted = await builder.until_status(run, "halted", seconds=_PATIENCE_S)
    reasons = [node.error.message for node in halted.nodes if node.error is not None]
    assert reasons == ["the directory has changed since its approval: rebuild the task"]


async def test_a_build_for_an_unknown_location_ends_with_the_reason(builder: EngineWorld, tmp_path: Path) -> None:
    (task := tmp_path / "task").mkdir()
    (task / "Dockerfile").write_text("FROM scratch\nCOPY . /craton\n")
    order = make_order(task).model_copy(update={"locations": ("south",)})
    looked = await builder.launch(FIND_COMMIT, state=make_build_state(order, "t"))
    state = (await builder.until_status(looked, "successful", seconds=_PATIENCE_S)).state
    commit = FoundCommit.model_validate(state[COMMIT_KEY]).commit
    approved = order.model_copy(update={"commit": commit})
    run = await builder.launch(BUILD_IMAGE, state=make_build_state(approved, "t"))
    halted = await builder.until_status(run, "halted", seconds=_PATIENCE_S)
    (reason,) = [node.error.message for node in halted.nodes if node.error is not None]
    assert reason.startswith("locations: the builder knows no location 'south'")
