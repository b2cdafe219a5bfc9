"""What a large graph costs the engine and the database for each node: chains of growing length, and wide fan-outs.

    python -m tests.bench.big_graphs [--sizes 100 1000 ...]

Without broker and step workers: a sender stands for the bus, and the program itself ends each node that becomes due. So
the figures are those of deciding and committing alone. If they are the same for each size, a run takes linear time.
"""

import argparse
import asyncio
import os
import statistics
import time
from collections import deque
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from deploy.local.fetch import packages
from deploy.local.files.run_directory import run_directory
from deploy.local.servers.mongo_accounts import ADMIN
from deploy.local.system.services import Services, running_services
from deploy.local.system.up import prepare_servers
from runtime.clock import utc_now
from runtime.kernel.store import Store
from schemas.engine.graph import BranchingProfile, Definition, Edge, EdgeKind, Graph, Node, make_chain
from schemas.engine.run_documents import RUNS
from schemas.engine.runs import RUN_OVER, Outcome
from schemas.events import ControlEvent, NodeEnded, NodeRun
from schemas.ids import NodeKey
from tests.bench.peers.process_time import measure_cpu_s
from wms.engine import repository
from wms.engine.effects import Effects
from wms.engine.engine import Engine
from wms.engine.life.launching import LaunchWish
from wms.engine.step_workers import StepWorkers


def define_chain(n: int) -> Definition:
    """Return a chain of `n` steps."""
    nodes = (Node(key=NodeKey(str(number)), name=f"step {number}", function="noop") for number in range(n))
    return Definition(name=f"chain of {n}", graph=make_chain(tuple(nodes)))


def define_fan(n: int) -> Definition:
    """Return a step that `n` others follow, and one that follows all of these."""
    last = n + 1
    begin = Node(key=NodeKey("begin"), name="begin", function="noop", edges=_lead_to(*range(1, last)))
    leaves = (
        Node(key=NodeKey(str(m)), name=f"leaf {m}", function="noop", edges=_lead_to(last)) for m in range(1, last)
    )
    end = Node(key=NodeKey("end"), name="end", function="noop")
    return Definition(name=f"fan of {n}", graph=Graph(profile=BranchingProfile.DAG, nodes=(begin, *leaves, end)))


def _lead_to(*numbers: int) -> tuple[Edge, ...]:
    return tuple(Edge(to=number, kind=EdgeKind.SUCCESS) for number in numbers)


class DueNodes:
    """Takes the orders that would go to step workers."""

    def __init__(self) -> None:
        self.orders: deque[NodeRun] = deque()
        self.came = asyncio.Event()

    async def send_hint(self, event: ControlEvent) -> None:
        """Keep the order of `event`."""
        assert isinstance(event.data, NodeRun)
        self.orders.append(event.data)
        self.came.set()


@dataclass(frozen=True, slots=True)
class WalkResult:
    """What one run took: p50 of a node in ms, and CPU a node in ms, here and in the database."""

    node_ms: float
    cpu_ms: float
    database_cpu_ms: float


async def walk(store: Store, definition: Definition, database_pid: int) -> WalkResult:
    """Run `definition` to its end, one node after the other."""
    due = DueNodes()
    workers = StepWorkers(store)
    engine = Engine(store, Effects(due, workers, source="ewms/bench"), workers)
    found = (definition.hash, definition)
    n = len(definition.graph.nodes)
    cpu_s, database_s = time.process_time(), measure_cpu_s([database_pid])
    run_id = (await engine.launch_run(definition.name, LaunchWish(), found=found)).id
    took_s = []
    for _ in range(n):
        while not due.orders:
            due.came.clear()
            await due.came.wait()
        order = due.orders.popleft()
        now = utc_now()
        ended = NodeEnded(
            run=run_id,
            node=order.node,
            attempt=order.attempt,
            worker="w",
            outcome=Outcome.SUCCESSFUL,
            started_at=now,
            ended_at=now,
        )
        began = time.perf_counter()
        await engine.apply_stimulus(run_id, ended)
        took_s.append(time.perf_counter() - began)
    await engine.effects.stop()
    result = WalkResult(
        node_ms=statistics.median(took_s) * 1e3,
        cpu_ms=(time.process_time() - cpu_s) / n * 1e3,
        database_cpu_ms=(measure_cpu_s([database_pid]) - database_s) / n * 1e3,
    )
    document = await store.find_one(RUNS, {"_id": run_id}, projection={"status": 1})
    assert document is not None
    assert document["status"] in RUN_OVER
    return result


async def measure_graphs(services: Services, sizes: list[int]) -> Table:
    """Return the table."""
    table = Table(
        "graph", "node, p50 ms", "CPU ms a node", "of the database", title="large graphs: a node's end, stored"
    )
    store = await Store.connect(services.mongodb.url(ADMIN), database="graphs", source="ewms/bench")
    await store.ensure_indexes(repository.INDEXES)
    pid = services.mongodb.child.pid
    assert pid is not None
    await walk(store, define_chain(50), pid)  # warm
    for define in (define_chain, define_fan):
        for size in sizes:
            definition = define(size)
            result = await walk(store, definition, pid)
            table.add_row(
                definition.name, f"{result.node_ms:.1f}", f"{result.cpu_ms:.2f}", f"{result.database_cpu_ms:.2f}"
            )
        table.add_section()
    await store.close()
    table.caption = f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
    return table


def main(arguments: list[str] | None = None) -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[100, 1000, 3000])
    options = parser.parse_args(arguments)
    console = Console()
    installed = prepare_servers(console, os.environ, (packages.BROKER,))
    with run_directory() as directory, running_services(installed, directory, with_condor=False) as services:
        console.print(asyncio.run(measure_graphs(services, options.sizes)))


if __name__ == "__main__":
    main()
