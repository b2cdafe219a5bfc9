"""The engine's speed: beside other engines, beside a bare write, and on large graphs.

python -m tests.bench.engine [--steps N] [--chains N] [--waiting N] [--rounds R] [--only peers|engine|graphs]

peers     chains in EWMS, Celery and DBOS, each in processes of its own, on the same broker and disk
engine    a step beside one majority write of one document, and steps a second beside waiting runs. WMS's engine and
          the step workers share this process, so the CPU is that of both
graphs    `tests.bench.big_graphs`: what deciding and committing cost for a node of a large graph
"""

import argparse
import asyncio
import os
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from rich.console import Console
from rich.table import Table

from deploy.local.errors import LaunchError
from deploy.local.fetch import packages
from deploy.local.files.run_directory import run_directory
from deploy.local.servers.mongo_accounts import ADMIN
from deploy.local.system.services import Services, running_services
from deploy.local.system.up import prepare_servers
from runtime.clock import utc_now
from schemas.broker.topology import pool_service
from schemas.engine.graph import Definition, Node, make_chain
from schemas.engine.run_documents import RUNS
from schemas.engine.runs import RUN_OVER
from schemas.events import NodeRun
from schemas.ids import NodeKey, RunId
from tests.bench.big_graphs import measure_graphs
from tests.bench.peers.chain_trace import TraceReader
from tests.bench.peers.environment import prepare_peers
from tests.bench.peers.race import HEATS, race
from tests.bench.peers.racers import running_racers
from tests.integration.wms.engine.peers import Worker
from wms.app import Wms, run_wms
from wms.engine import repository
from wms.engine.life.launching import LaunchWish
from wms.engine.life.open_run import OpenRun, RunDecision
from wms.settings import WmsSettings

#: A worker that reports less often than once a minute counts as gone.
_ALIVE_EVERY_S = 15.0


def define(name: str, n_steps: int, *first: Node) -> Definition:
    """Return a chain of steps that do nothing."""
    steps = (Node(key=NodeKey(str(n)), name=f"step {n}", function="noop") for n in range(n_steps))
    return Definition(name=name, graph=make_chain((*first, *steps)))


@asynccontextmanager
async def running_wms(services: Services) -> AsyncIterator[Wms]:
    """Run WMS on fresh servers."""
    settings = WmsSettings(
        mongo_url=SecretStr(services.mongodb.url(ADMIN)),
        mongo_database="WMS_DB",
        control_amqp_url=SecretStr(services.rabbitmq.control_url("wms")),
        gateway_port=0,
        auth="off",
        mqs_url="http://127.0.0.1:9",
        pilot_tag="1.2.3",
    )
    async with run_wms(settings) as wms:
        yield wms


async def add_worker(services: Services, stack: AsyncExitStack, name: str, *definitions: Definition) -> Worker:
    """Return a step worker whose steps end at once."""
    worker = await Worker.connect(services.rabbitmq.control_url(pool_service("default")), name)
    stack.push_async_callback(worker.close)

    async def end(order: NodeRun) -> None:
        await worker.take(order)
        await worker.end(order)

    worker.react = end
    for definition in definitions:
        await worker.register(definition)

    async def be_alive() -> None:
        while True:
            await worker.be_alive(*definitions)
            await asyncio.sleep(_ALIVE_EVERY_S)

    task = asyncio.create_task(be_alive())
    stack.callback(task.cancel)
    return worker


async def wait_until_over(wms: Wms, runs: list[RunId]) -> None:
    """Return when all of `runs` are over. This asks the database once, so that it does not slow down what it waits
    for.
    """
    left, is_over = set(runs), asyncio.Event()

    def note_end(run: OpenRun, decision: RunDecision) -> None:
        if decision.ends_run:
            left.discard(run.facts.id)
            if not left:
                is_over.set()

    wms.engine.on_change.append(note_end)
    try:
        over = {"_id": {"$in": runs}, "status": {"$in": sorted(RUN_OVER)}}
        left.difference_update(run["_id"] for run in await wms.store.find(RUNS, over, projection={"_id": 1}))
        if left:
            await is_over.wait()
    finally:
        wms.engine.on_change.remove(note_end)


async def measure_p50_ms(work: Callable[[], Awaitable[Any]], n: int) -> float:
    """Return the median time of `work`."""
    times = []
    for _ in range(n):
        began = time.perf_counter()
        await work()
        times.append(time.perf_counter() - began)
    return statistics.median(times) * 1000


async def measure_steps(wms: Wms, n_steps: int) -> tuple[float, float]:
    """Return p50 and CPU of a step of one chain, in ms."""
    cpu = time.process_time()
    run = (await wms.engine.launch_run("long", LaunchWish())).id
    await wait_until_over(wms, [run])
    cpu_ms = (time.process_time() - cpu) / n_steps * 1000
    ends = [row.at for row in await repository.load_log(wms.store, run) if row.act == "ended" and row.node]
    gaps = [(after - before).total_seconds() * 1000 for before, after in pairwise(ends)]
    return statistics.median(gaps), cpu_ms


async def measure_rate(wms: Wms, n_chains: int, n_steps: int) -> float:
    """Return how many steps a second many chains make at once: the median of three rounds."""
    rates = []
    for _ in range(3):
        began = time.perf_counter()
        runs = [(await wms.engine.launch_run("short", LaunchWish())).id for _ in range(n_chains)]
        await wait_until_over(wms, runs)
        rates.append(n_chains * n_steps / (time.perf_counter() - began))
    return statistics.median(rates)


async def add_waiting_runs(wms: Wms, n: int) -> None:
    """Launch runs that wait for an event that never comes."""
    for begin in range(0, n, 20):
        await asyncio.gather(
            *(wms.engine.launch_run("waits", LaunchWish(state={"k": str(begin + i)})) for i in range(20))
        )
    # Some seconds after it was armed, each wait looks once more for an event that came early. Then it costs nothing.
    while await wms.store.count(RUNS, {"status": "waiting", "wake_at": {"$type": "date"}}):
        await asyncio.sleep(0.2)


async def measure(services: Services, options: argparse.Namespace) -> Table:
    """Return the table."""
    wait = Node.model_validate(
        {"key": "w", "name": "w", "kind": "wait", "wait": {"kind": "event", "name": "never", "correlation_key": "k"}}
    )
    definitions = (define("long", options.steps), define("short", 20), define("waits", 1, wait))
    table = Table("what", "measured", "/ one write", title="the engine")
    async with AsyncExitStack() as stack:
        wms = await stack.enter_async_context(running_wms(services))
        for name in ("w1", "w2"):
            await add_worker(services, stack, name, *definitions)
        for definition in definitions:
            while await repository.find_definition(wms.store, definition.name) is None:
                await asyncio.sleep(0.02)
        await wms.store.insert_new("bench", [{"_id": 1, "n": 0}])
        write_ms = await measure_p50_ms(
            lambda: wms.store.compare_and_set("bench", {"_id": 1}, {"$inc": {"n": 1}, "$set": {"at": utc_now()}}), 200
        )
        await measure_steps(wms, options.steps)  # warm
        step_ms, cpu_ms = await measure_steps(wms, options.steps)
        rate = await measure_rate(wms, options.chains, 20)
        await add_waiting_runs(wms, options.waiting)
        rate_beside = await measure_rate(wms, options.chains, 20)
        table.add_row("one majority write, p50", f"{write_ms:.1f} ms", "1.0")
        table.add_row(f"a step of a chain of {options.steps}, p50", f"{step_ms:.1f} ms", f"{step_ms / write_ms:.1f}")
        table.add_row("CPU a step, engine and worker", f"{cpu_ms:.1f} ms", "")
        table.add_row(f"{options.chains} chains of 20 at once", f"{rate:.0f} steps/s", "")
        table.add_row(f"the same beside {options.waiting} waiting runs", f"{rate_beside:.0f} steps/s", "")
    table.caption = f"at {datetime.now(UTC):%H:%M}, load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
    return table


def find_postgresql(console: Console) -> Path | None:
    """Return the tree of Debian's PostgreSQL; None, with a line that says why: it is not to be had here."""
    try:
        installed = prepare_servers(console, os.environ, (packages.BROKER, packages.POSTGRESQL))
    except LaunchError as error:
        console.print(f"DBOS on PostgreSQL is not measured: {error.what}", markup=False)
        return None
    return installed.trees[packages.POSTGRESQL.name]


async def measure_peers(services: Services, binaries: Path, postgresql: Path | None, n_rounds: int) -> Table:
    """Return the table of the race with other engines."""
    trace = services.run / "trace"
    reader = TraceReader(trace)
    lengths = [n_steps for _, n_steps in HEATS]
    async with running_racers(
        services, binaries=binaries, postgresql=postgresql, trace=trace, lengths=lengths
    ) as racers:
        return await race(racers, reader, n_rounds)


def main(arguments: list[str] | None = None) -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--chains", type=int, default=100)
    parser.add_argument("--waiting", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=("peers", "engine", "graphs"), default=None)
    options = parser.parse_args(arguments)
    console = Console()
    wanted = (options.only,) if options.only else ("peers", "engine", "graphs")
    installed = prepare_servers(console, os.environ, (packages.BROKER,))
    for one in wanted:
        with run_directory() as directory, running_services(installed, directory, with_condor=False) as services:
            match one:
                case "peers":
                    programs, postgresql = prepare_peers(console), find_postgresql(console)
                    table = asyncio.run(measure_peers(services, programs, postgresql, options.rounds))
                case "engine":
                    table = asyncio.run(measure(services, options))
                case _:
                    table = asyncio.run(measure_graphs(services, [100, 1000]))
            console.print(table)


if __name__ == "__main__":
    main()
