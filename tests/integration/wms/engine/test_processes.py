"""Processes start and resume through forms, predicates and callbacks that a real step worker evaluates."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from deploy.local.servers.rabbitmq import RabbitMQ
from ewms.worker.app import run_worker
from ewms.worker.settings import WorkerSettings
from runtime.once import Once
from schemas.broker.topology import pool_service
from schemas.engine.run_documents import RUNS, RunDocument
from schemas.errors import Conflict, Forbidden, NotFound, Unavailable
from tests.integration.wms.engine.conftest import EngineWorld
from wms.engine import repository
from wms.engine.life.form_verdicts import (
    FormNotCompleteError,
    FormOverflowError,
    FormValidationError,
    PredicateRefused,
    UserCodeFailed,
)
from wms.engine.worker_questions import WorkerQuestions
from wms.tenancy.rights import Principal, TenancyRole

MODULE = "tests.integration.wms.engine.diary"
ADA = Principal("ada", frozenset({TenancyRole.SUPERUSER}))
PAGES = [{"name": "ams-1", "amount": 3}, {"is_sure": True}]


class ProcessWorld:
    """A running WMS with a real step worker."""

    def __init__(self, world: EngineWorld, worker: AsyncExitStack) -> None:
        self.world = world
        self.starts = world.wms.processes.starts
        self.service = world.wms.processes.service
        self.callbacks = world.wms.processes.callbacks
        self.switch = world.wms.processes.switch
        self.worker = worker

    async def load(self, process_id: str) -> RunDocument:
        run = await self.world.wms.store.find_one(RUNS, {"uuid": process_id})
        assert run is not None
        return repository.parse_run(run)

    async def until_status(self, process_id: str, status: str) -> RunDocument:
        run = await self.load(process_id)
        return await self.world.until_status(run.id, status)

    async def count_runs(self) -> int:
        return await self.world.wms.store.count(RUNS, {})


@pytest.fixture
async def world(
    engine_world: EngineWorld,
    rabbitmq: RabbitMQ,
    control_vhost: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[ProcessWorld]:
    (tmp_path / "diary").touch()
    monkeypatch.setenv("DIARY", str(tmp_path / "diary"))
    url = rabbitmq.amqp_url(pool_service("default"), control_vhost)
    settings = WorkerSettings(
        control_amqp_url=SecretStr(url), worker_modules=(MODULE,), worker_name="w1", worker_form_s=1.0
    )
    async with AsyncExitStack() as worker:
        presence = await worker.enter_async_context(run_worker(settings))
        async with asyncio.timeout(60):
            await presence.wait_until_registered()
        yield ProcessWorld(engine_world, worker)


async def test_o13_a_start_asks_page_by_page_and_stores_nothing_before_the_last(world: ProcessWorld) -> None:
    start = world.starts.start_process
    with pytest.raises(FormNotCompleteError) as first:
        await start("ask_first", [], ADA)
    assert set(first.value.members["form"]["properties"]) == {"name", "amount"}
    with pytest.raises(FormNotCompleteError) as second:
        await start("ask_first", PAGES[:1], ADA)
    assert set(second.value.members["form"]["properties"]) == {"is_sure"}
    with pytest.raises(FormValidationError) as invalid:
        await start("ask_first", [{"name": "a", "amount": "many"}], ADA)
    assert invalid.value.members["validation_errors"][0]["loc"] == ["amount"]
    with pytest.raises(FormOverflowError):
        await start("ask_first", [*PAGES, {}], ADA)
    with pytest.raises(Forbidden, match="mallory may not start ask_first"):
        await start("ask_first", PAGES, Principal("mallory", frozenset({TenancyRole.SUPERUSER})))
    with pytest.raises(PredicateRefused, match="not on Sundays"):
        await start("never_start", [{}], ADA)
    with pytest.raises(UserCodeFailed, match=r"diary\.raise_in_form raised LookupError: no such node"):
        await start("ask_badly", [{}], ADA)
    with pytest.raises(NotFound):
        await start("no_such_workflow", [{}], ADA)
    assert await world.count_runs() == 0

    process_id = await start("ask_first", PAGES, ADA)
    run = await world.until_status(process_id, "waiting")
    assert run.state == {
        "process_id": process_id,
        "reporter": "ada",
        "workflow_name": "ask_first",
        "workflow_target": "SYSTEM",
        "name": "ams-1",
        "amount": 3,
        "is_sure": True,
    }
    assert await world.starts.check_form("ask_first", PAGES, ADA) == {
        "name": "ams-1",
        "amount": 3,
        "is_sure": True,
    }


async def test_a_resume_fills_in_the_form_of_its_step_or_retries_what_failed(world: ProcessWorld) -> None:
    process_id = await world.starts.start_process("ask_first", PAGES, ADA)
    run = await world.until_status(process_id, "waiting")
    form = await world.service.describe_form(run)
    assert form is not None
    assert form["properties"]["about"]["default"] == "ams-1"
    with pytest.raises(FormValidationError):
        await world.service.resume_process(run, [{"approved_by": []}], ADA)
    with pytest.raises(Forbidden, match="eve may not resume"):
        await world.service.resume_process(
            run, [{"approved_by": "eve"}], Principal("eve", frozenset({TenancyRole.SUPERUSER}))
        )
    assert (await world.load(process_id)).rev == run.rev

    await world.service.resume_process(run, [{"approved_by": "bob"}], ADA)
    run = await world.until_status(process_id, "halted")
    assert (run.state["approved_by"], run.state["about"]) == ("bob", "ams-1")
    await world.service.resume_process(run, [], ADA)
    run = await world.until_status(process_id, "successful")
    with pytest.raises(Conflict):
        await world.service.resume_process(run, [], ADA)


async def test_a_repeated_request_starts_one_process(world: ProcessWorld) -> None:
    once = Once("ada/POST/1", "digest")
    first = await world.starts.start_process("ask_first", PAGES, ADA, once=once)
    assert await world.starts.start_process("ask_first", [], ADA, once=once) == first
    with pytest.raises(Conflict):
        await world.starts.start_process("ask_first", PAGES, ADA, once=Once("ada/POST/1", "another"))
    assert await world.count_runs() == 1


async def test_nobody_starts_anything_while_the_engine_is_locked(world: ProcessWorld) -> None:
    process_id = await world.starts.start_process("ask_first", PAGES, ADA)
    run = await world.until_status(process_id, "waiting")
    lock = await world.switch.set_lock(ADA, is_locked=True)
    assert lock.is_locked
    with pytest.raises(Unavailable, match="engine locked"):
        await world.starts.start_process("ask_first", PAGES, ADA)
    held = await world.world.launch("ask_first", state={"name": "x"})
    await asyncio.sleep(0.5)
    assert (await world.world.load(held)).nodes[0].status == "due"
    await world.switch.set_lock(ADA, is_locked=False)
    await world.world.until_status(held, "waiting")
    await world.service.abort_process(run, ADA, why="enough")
    assert (await world.until_status(process_id, "canceled")).explanation == "enough"


async def test_without_a_step_worker_a_start_says_how_to_start_one(world: ProcessWorld) -> None:
    await world.worker.aclose()
    with pytest.raises(Unavailable, match="'default'") as refused:
        await world.starts.start_process("ask_first", PAGES, ADA)
    assert "ewms worker --pool default" in refused.value.hint
    assert await world.count_runs() == 0


async def test_resume_all_brings_on_the_tasks_that_failed(world: ProcessWorld) -> None:
    process_id = await world.starts.start_process("ask_first", PAGES, ADA)
    run = await world.until_status(process_id, "waiting")
    assert await world.service.resume_all(ADA) == 0
    await world.service.resume_process(run, [{"approved_by": "bob"}], ADA)
    await world.until_status(process_id, "halted")
    assert await world.service.resume_all(ADA) == 1
    await world.until_status(process_id, "successful")


async def test_a_callback_is_answered_by_its_token_after_word_of_progress(world: ProcessWorld) -> None:
    process_id = await world.starts.start_process("call_out", [{}], ADA)
    run = await world.until_status(process_id, "waiting")
    token = run.state["route"].rpartition("/")[2]
    with pytest.raises(NotFound):
        await world.callbacks.answer_callback(run.uuid, "wrong", {"ok": True})
    await world.callbacks.note_progress(run.uuid, token, {"done": 50})
    run = await world.load(process_id)
    assert [node.wait.progress for node in run.nodes if node.wait is not None] == [{"done": 50}]
    await world.callbacks.answer_callback(run.uuid, token, {"ok": True})
    await world.callbacks.answer_callback(run.uuid, token, {"ok": True})
    with pytest.raises(Conflict):
        await world.callbacks.answer_callback(run.uuid, token, {"ok": False})
    run = await world.until_status(process_id, "successful")
    assert run.state["checked"] is True


async def test_s15_a_child_starts_through_its_form_and_a_refusal_fails_the_child_alone(world: ProcessWorld) -> None:
    process_id = await world.starts.start_process("start_children", [{}], ADA)
    parent = await world.until_status(process_id, "successful")
    good = await world.until_status(parent.state["good"], "waiting")
    assert (good.state["name"], good.state["reporter"], good.started_by) == ("child", "SYSTEM", parent.id)
    bad = await world.until_status(parent.state["bad"], "error")
    assert "amount" in bad.explanation
    assert bad.nodes[0].error is not None
    assert bad.nodes[0].error.error_class == "FormValidationError"
    late = await world.until_status(parent.state["late"], "error")
    assert late.nodes[0].error is not None
    assert late.nodes[0].error.error_class == "FormNotCompleteError"


async def test_a_child_whose_form_nobody_can_evaluate_waits_for_a_worker(
    world: ProcessWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def be_away(*_: object, **__: object) -> dict[str, Any]:
        raise Unavailable("no step worker is there")

    with monkeypatch.context() as away:
        away.setattr(WorkerQuestions, "evaluate_form", be_away)
        parent_id = await world.world.launch("start_children")
        parent = await world.world.until_status(parent_id, "successful")
        child = await world.load(parent.state["good"])
        assert (child.status, child.wake_at is not None) == ("created", True)
    await world.world.wms.engine.wake_run(child.id)
    await world.until_status(parent.state["good"], "waiting")
