"""Coroutine functions of steps wait without a thread, read like plain functions, and keep their errors apart."""

import asyncio
import threading
import time
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest

from ewms.steps import State, StepList, begin, conditional, get_product_by_name, start_process, step, step_group, task
from ewms.steps.definitions import ProcessDefinition, keep_definitions
from ewms.steps.registrations import export_definition, keep_registrations
from ewms.worker.offers import Offer
from ewms.worker.orders import OrderIntake, WmsVoice
from schemas.engine.processes import Target
from schemas.engine.runs import Outcome
from schemas.engine.subscriptions import ProductDocument
from schemas.events import NodeEnded, NodeRun
from schemas.questions.bases import Answer, Question
from schemas.questions.subscriptions import ProductsAnswer
from tests.unit.ewms.worker.test_orders import RUN, Heard, Loan, body_of

PRODUCT = ProductDocument(product_id=UUID(int=1), name="Note", tag="Note")
N_AT_ONCE = 8


class Meeting:
    """A place at which all coroutines must be at once."""

    def __init__(self) -> None:
        self.n_there = 0

    async def arrive(self) -> None:
        self.n_there += 1
        while self.n_there < N_AT_ONCE:
            await asyncio.sleep(0.001)


MEETING = Meeting()


@step("Meet")
async def meet(n: int) -> State:
    await MEETING.arrive()
    return {"n": n + 1, "child": start_process("other")}


@step("Read")
async def read() -> State:
    there = await asyncio.to_thread(get_product_by_name, "Note")
    return {"ids": [there.product_id, get_product_by_name("Note").product_id]}


@step("Leave")
async def leave() -> None:
    await asyncio.sleep(0)
    raise SystemExit(3)


@step("Cancel itself")
async def cancel_itself() -> None:
    raise asyncio.CancelledError


@step("Block")
async def block() -> State:
    time.sleep(0.3)  # a mistake of the author's
    return {"thread": threading.current_thread().name}


@task("All")
def do_all() -> StepList:
    return (
        begin
        >> meet
        >> read
        >> leave
        >> cancel_itself
        >> block
        >> step_group("Both", begin >> read >> conditional(lambda state: len(state["ids"]) == 2)(read))
    )


@pytest.fixture(autouse=True)
def _alone() -> Iterator[None]:
    with keep_definitions(), keep_registrations():
        yield


def answer(_: Question) -> Answer:
    return ProductsAnswer(products=(PRODUCT,))


async def carry_out(name: str, *, n: int = 1) -> list[NodeEnded]:
    definition: ProcessDefinition = do_all
    sent = export_definition(definition)
    offers = {sent.hash: Offer(definition, sent, sent.hash, Target.SYSTEM)}
    key = next(str(number) for number, one in enumerate(definition.steps) if one.name == name)
    heard = Heard()
    intake = OrderIntake(offers, WmsVoice(heard, pool="default", worker="w"), worker="w", n_slots=1, ask=answer)
    for run in range(n):
        fields: dict[str, Any] = {"run": run, "node": key, "attempt": 1, "pool": "default", "run_uuid": RUN}
        named = {"definition": "do_all", "definition_hash": sent.hash, "function": "f", "name": name}
        order = NodeRun.model_validate(fields | named | {"state": {"n": run}, "idempotency_key": f"{run}/{key}"})
        intake.take_delivery(Loan(body_of(order), heard.log))
    async with asyncio.timeout(20):
        await intake.drain()
    return heard.payloads(NodeEnded)


async def test_coroutine_steps_that_wait_take_no_thread() -> None:
    ended = await carry_out("Meet", n=N_AT_ONCE)
    assert sorted(one.delta["n"] for one in ended) == list(range(1, N_AT_ONCE + 1))
    # Each has its own scope: no child stands in the outcome of another.
    assert all([child.uuid for child in one.children] == [one.delta["child"]] for one in ended)
    assert len({one.delta["child"] for one in ended}) == N_AT_ONCE


async def test_a_coroutine_step_reads_with_and_without_await() -> None:
    [ended] = await carry_out("Read")
    assert ended.delta == {"ids": [str(PRODUCT.product_id)] * 2}


@pytest.mark.parametrize(("name", "error"), [("Leave", "SystemExit"), ("Cancel itself", "CancelledError")])
async def test_s11_an_interrupt_of_a_coroutine_fails_its_step_alone(name: str, error: str) -> None:
    first, second = await carry_out(name, n=2)
    for ended in (first, second):
        assert ended.error is not None
        assert (ended.outcome, ended.error.error_class) == (Outcome.FAILED, error)


async def test_a_coroutine_that_blocks_delays_no_report() -> None:
    longest, before = 0.0, time.monotonic()
    work = asyncio.ensure_future(carry_out("Block"))
    while not work.done():
        await asyncio.sleep(0.005)
        longest, before = max(longest, time.monotonic() - before), time.monotonic()
    [ended] = await work
    assert ended.delta == {"thread": "coroutines"}
    assert longest < 0.25


async def test_a_group_awaits_its_members() -> None:
    [ended] = await carry_out("Both")
    assert ended.outcome is Outcome.SUCCESSFUL
    assert ended.delta["ids"] == [str(PRODUCT.product_id)] * 2
