"""Two WMS processes at once, and workers that fall silent: nobody holds a run but its document."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable

from schemas.engine.graph import Node
from schemas.events import NodeRun
from schemas.ids import RunId
from tests.integration.wms.engine.conftest import EngineWorld, define, step
from tests.integration.wms.engine.peers import Worker
from wms.app import run_wms
from wms.engine import repository
from wms.engine.life.stimuli import Resume
from wms.settings import WmsSettings

Connect = Callable[[str, str], Awaitable[Worker]]


async def test_two_processes_advance_the_same_runs_and_no_step_is_repeated(
    wms_settings: WmsSettings, connect_worker: Connect
) -> None:
    chain = define("chain", *(f"s{number}" for number in range(12)))
    async with run_wms(wms_settings) as one, run_wms(wms_settings) as other:
        world = EngineWorld(one, connect_worker)
        worker = await world.add_worker("w1", chain)
        calls: Counter[tuple[RunId, str]] = Counter()

        async def call(order: NodeRun) -> None:
            calls[order.run, order.node] += 1
            await worker.end(order, delta={order.node: 1})

        worker.react = call
        runs = [await world.launch("chain") for _ in range(8)]
        for run in runs:
            ended = await world.until_status(run, "successful", seconds=60)
            assert len(ended.state) == 12
            rows = await repository.load_log(one.store, run)
            assert [row.number for row in rows] == list(range(1, 16))
        assert set(calls.values()) == {1}
        # Both have heard of the worker, though each of its words reached one of them.
        for wms in (one, other):
            async with asyncio.timeout(60):
                while [known.name for known in wms.engine.workers.list_alive()] != ["w1"]:
                    await asyncio.sleep(0.05)


async def test_a_refusal_is_never_made_from_what_another_process_has_changed(
    wms_settings: WmsSettings, connect_worker: Connect
) -> None:
    async with run_wms(wms_settings) as one, run_wms(wms_settings) as other:
        world = EngineWorld(one, connect_worker)
        wait = Node.model_validate({"key": "w", "name": "w", "kind": "wait", "wait": {"kind": "input"}})
        await world.add_worker("w1", define("asks", wait, wait.model_copy(update={"key": "v"})))
        run = await world.launch("asks")
        for number, wms in enumerate((other, one)):
            # Each process has held the run since before the other changed it.
            await wms.engine.load_run(run)
            await wms.engine.apply_stimulus(run, Resume("bob", {f"n{number}": number}))
        ended = await world.until_status(run, "successful")
        assert ended.state == {"n0": 0, "n1": 1}


async def test_a_step_of_a_worker_that_has_fallen_silent_goes_to_another(
    wms_settings: WmsSettings, connect_worker: Connect
) -> None:
    settings = wms_settings.model_copy(update={"step_worker_silence_s": 1.0})
    async with run_wms(settings) as wms:
        world = EngineWorld(wms, connect_worker)
        chain = define("chain", step("a"))
        silent = await world.add_worker("silent", chain)
        run = await world.launch("chain")
        order = await silent.hear("a")
        await silent.take(order)
        await world.until(run, lambda document: document.nodes[0].status == "taken")
        lively = await connect_worker("lively", "default")
        async with asyncio.timeout(60):
            while not [o for o in [*silent.orders[1:], *lively.orders] if o.node == "a"]:
                await lively.be_alive(chain)
                await asyncio.sleep(0.1)
        again = next(o for o in [*silent.orders[1:], *lively.orders] if o.node == "a")
        assert (again.attempt, again.run) == (1, run)
        await lively.end(again)
        await world.until_status(run, "successful")
