"""Real step workers at a real WMS: every kind of step, and a worker that is killed in the middle of one."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from pydantic import SecretStr

from deploy.local.servers.rabbitmq import RabbitMQ
from ewms.worker.app import run_worker
from ewms.worker.settings import WorkerSettings
from runtime.clock import utc_now
from schemas.broker.topology import pool_service
from schemas.engine.run_documents import RunDocument
from schemas.engine.runs import NodeStatus, WaitAnswer
from tests.forked_processes import ForkedProcess, start_module
from tests.integration.wms.engine.conftest import EngineWorld
from tests.integration.wms.engine.test_runs import make_event
from tests.waiting import eventually
from wms.engine import repository
from wms.engine.life.stimuli import Resume

MODULE = "tests.integration.wms.engine.diary"


@pytest.fixture
def pool_url(rabbitmq: RabbitMQ, control_vhost: str) -> str:
    return rabbitmq.amqp_url(pool_service("default"), control_vhost)


@pytest.fixture
def diary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "diary"
    path.touch()
    monkeypatch.setenv("DIARY", str(path))
    return path


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as opened:
        yield opened


async def until_offered(world: EngineWorld, name: str) -> None:
    await eventually(lambda: repository.find_definition(world.wms.store, name))


async def test_every_kind_of_step_runs_on_a_real_worker(
    engine_world: EngineWorld, pool_url: str, diary: Path, stack: AsyncExitStack
) -> None:
    settings = WorkerSettings(control_amqp_url=SecretStr(pool_url), worker_modules=(MODULE,), worker_name="w1")
    await stack.enter_async_context(run_worker(settings))
    await until_offered(engine_world, "walk_all")
    run = await engine_world.launch("walk_all", state={"n": 1, "order_id": 7})

    def is_waiting(name: str) -> Callable[[RunDocument], bool]:
        def holds(document: RunDocument) -> bool:
            names = [node.name for node in document.graph.nodes]
            return document.nodes[names.index(name)].status is NodeStatus.WAITING

        return holds

    waiting = await engine_world.until(run, is_waiting("Call"))
    token = waiting.state["route"].rpartition("/")[2]
    key = next(node.key for node in waiting.graph.nodes if node.name == "Call")
    answer = WaitAnswer(id="1", body={"ok": True}, at=utc_now())
    await engine_world.wms.engine.answer_wait(run, key, answer, token=token)
    await engine_world.until(run, is_waiting("Delivery"))
    await engine_world.wms.inputs.take_event(make_event("delivered", "7"))
    halted = await engine_world.until_status(run, "halted")
    error = halted.nodes[len(halted.nodes) - 2].error
    assert error is not None
    assert (error.error_class, error.details["status"]) == ("AssertionError", "inconsistent_data")

    await engine_world.wms.engine.apply_stimulus(run, Resume(who="ada"))
    ended = await engine_world.until_status(run, "successful")
    assert ended.state["n"] == 4
    assert ended.state["delivery"] == {"up": True}
    assert (ended.state["looked"], ended.state["checked"]) == (3, True)
    named = zip(ended.graph.nodes, ended.nodes, strict=True)
    assert [node.name for node, state in named if state.status == "skipped"] == ["Never", "Nobody"]
    lines = diary.read_text().split()
    assert {line: lines.count(line) for line in lines} == {"plain": 1, "flaky": 2, "look": 3, "break": 2}


async def start_process(pool_url: str, name: str) -> ForkedProcess:
    environment = os.environ | {
        "EWMS_CONTROL_AMQP_URL": pool_url,
        "EWMS_WORKER_MODULES": f'["{MODULE}"]',
        "EWMS_WORKER_NAME": name,
    }
    return await start_module("ewms.worker", environment=environment)


async def count_lines(diary: Path, line: str, n: int) -> None:
    async with asyncio.timeout(60):
        while diary.read_text().splitlines().count(line) < n:
            await asyncio.sleep(0.02)


async def test_o5_a_step_whose_worker_is_killed_goes_to_another_and_no_cleared_step_runs_again(
    engine_world: EngineWorld, pool_url: str, diary: Path, stack: AsyncExitStack
) -> None:
    first = await start_process(pool_url, "w1")
    await until_offered(engine_world, "walk_slowly")
    run = await engine_world.launch("walk_slowly", state={"n": 1})
    await count_lines(diary, "slow", 1)
    second = await start_process(pool_url, "w2")
    stack.callback(lambda: second.returncode is None and second.terminate())
    async with asyncio.timeout(60):
        while {worker.name for worker in engine_world.wms.engine.workers.list_alive()} < {"w1", "w2"}:
            await asyncio.sleep(0.02)

    first.kill()
    killed_at = utc_now()
    await count_lines(diary, "slow", 2)
    assert (utc_now() - killed_at).total_seconds() < 5
    ended = await engine_world.until_status(run, "successful")

    assert ended.state["n"] == 3
    assert diary.read_text().split() == ["plain", "slow", "slow", "plain"]
    second.terminate()
    assert await second.wait() == 0
    await first.wait()


async def test_a_step_that_ends_its_workers_is_given_up_soon(
    engine_world: EngineWorld, pool_url: str, diary: Path, stack: AsyncExitStack
) -> None:
    worker = await start_process(pool_url, "w0")
    await until_offered(engine_world, "walk_into_poison")
    run = await engine_world.launch("walk_into_poison")
    for number in range(1, 8):
        async with asyncio.timeout(60):
            ended = asyncio.ensure_future(worker.wait())
            halted = asyncio.ensure_future(engine_world.until_status(run, "halted", seconds=30))
            await asyncio.wait([ended, halted], return_when=asyncio.FIRST_COMPLETED)
        if halted.done():
            break
        halted.cancel()
        worker = await start_process(pool_url, f"w{number}")
    stack.callback(lambda: worker.returncode is None and worker.kill())

    error = (await engine_world.load(run)).nodes[1].error
    assert error is not None
    assert error.error_class == "WorkerLost"
    assert diary.read_text().split().count("poison") == 3


async def test_a_module_that_cannot_be_imported_ends_the_worker_with_status_2(pool_url: str) -> None:
    environment = os.environ | {"EWMS_CONTROL_AMQP_URL": pool_url}
    command = ["-m", "ewms.cli.__main__", "worker", "--module", "no.such.module"]
    process = await asyncio.create_subprocess_exec(
        sys.executable, *command, env=environment, stderr=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    told = b"".join(part or b"" for part in await process.communicate())
    assert process.returncode == 2
    assert b"no.such.module" in told
