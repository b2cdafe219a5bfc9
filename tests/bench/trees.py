"""The speed of decision trees: long chains, wide fan-outs, the pause between two jobs, and a small tree among many.

    python -m tests.bench.trees [--nodes N] [--trees N] [--length N]

walks     a chain and a fan-out, of a tenth of the nodes and of all. If a node takes as long in the large one as in the
          small one, a tree walks in linear time
pause     from the end of a node's job to the launch of the next job, in the long chain; the goal is 50 ms
calls     of the database that WMS makes for a node of the long chain
crowd     a tree of three nodes, launched just after many others, beside the same tree alone. "share" is the time that
          it would take if all trees went on node by node in turn

Each node runs a job template, whose work is a process of one step that does nothing. WMS and the step workers share
this process, so the CPU is that of both.
"""

import argparse
import asyncio
import os
import statistics
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from pymongo import monitoring
from rich.console import Console
from rich.table import Table

from deploy.local.fetch import packages
from deploy.local.files.run_directory import run_directory
from deploy.local.system.services import Services, running_services
from deploy.local.system.up import prepare_servers
from runtime.clock import utc_now
from schemas.automation.trees import TemplateKind
from schemas.engine.graph import BranchingProfile, Definition, Graph, Node
from schemas.ids import NodeKey, OrganizationId, RunId, TemplateId
from tests.bench.database_calls import CallCounter
from tests.bench.engine import add_worker, measure_p50_ms, running_wms, wait_until_over
from wms.app import Wms
from wms.engine import repository
from wms.located_text import LocatedDocument
from wms.tenancy.rights import Principal, TenancyRole
from wms.trees.jobs.tree_runs import TreeLaunch

#: The longest median pause between a node's end and the next job that we accept, in ms.
PAUSE_LIMIT_MS = 50.0
_ORGANIZATION = OrganizationId("default")
_ADMIN = Principal("bench", roles={_ORGANIZATION: frozenset({TenancyRole.ORG_ADMIN})})
_NOOP = Definition(
    name="noop",
    graph=Graph(
        profile=BranchingProfile.TREE,
        nodes=(Node(key=NodeKey("0"), name="noop", function="noop"),),
        is_leaf=True,
    ),
)
_N_SMALL = 3


def list_chain(n: int) -> list[dict[str, Any]]:
    """Return the nodes of a chain."""
    return [
        {"identifier": str(number), "template": "noop", "success": [str(number + 1)] if number + 1 < n else []}
        for number in range(n)
    ]


def list_fan(n: int) -> list[dict[str, Any]]:
    """Return a node that `n - 1` others follow."""
    leaves = [str(number) for number in range(1, n)]
    return [
        {"identifier": "0", "template": "noop", "success": leaves},
        *({"identifier": each, "template": "noop"} for each in leaves),
    ]


async def make_tree(wms: Wms, name: str, nodes: list[dict[str, Any]]) -> TemplateId:
    """Create the template of a tree that may run several times at once."""
    raw = {"name": name, "organization": _ORGANIZATION, "allow_simultaneous": True}
    template = await wms.trees.templates.create_template(_ADMIN, TemplateKind.WORKFLOW, raw)
    await wms.trees.nodes.replace_graph(_ADMIN, template.id, LocatedDocument({"nodes": nodes}))
    return template.id


async def launch(wms: Wms, template: TemplateId) -> RunId:
    """Launch a tree."""
    run, _ = await wms.trees.runs.launch(_ADMIN, template, TreeLaunch())
    return run.id


@dataclass(frozen=True, slots=True)
class Walk:
    """What a walk took for each node, and the pauses between a node's job and the next, in ms."""

    node_ms: float
    cpu_ms: float
    calls: float
    pauses_ms: Sequence[float]


async def walk(wms: Wms, counter: CallCounter, template: TemplateId, n: int) -> Walk:
    """Run a tree of `n` nodes to its end."""
    calls_before = counter.calls.total()
    cpu_s, begun_at = time.process_time(), time.perf_counter()
    run_id = await launch(wms, template)
    await wait_until_over(wms, [run_id])
    node_ms, cpu_ms = (time.perf_counter() - begun_at) / n * 1e3, (time.process_time() - cpu_s) / n * 1e3
    calls = (counter.calls.total() - calls_before) / n
    run = await repository.load_run(wms.store, run_id)
    assert run is not None
    assert run.status == "successful", run.explanation
    jobs = await wms.trees.runs.list_node_jobs(run)
    pauses_ms = [
        (after.created_at - before.ended_at).total_seconds() * 1e3
        for before, after in pairwise(jobs[place] for place in range(n))
        if before.ended_at is not None
    ]
    return Walk(node_ms, cpu_ms, calls, pauses_ms)


async def measure_crowd(wms: Wms, options: argparse.Namespace) -> tuple[float, float, float]:
    """Return how many seconds a small tree takes alone, how many among many trees, and how many these take."""
    small = await make_tree(wms, "small", list_chain(_N_SMALL))
    large = await make_tree(wms, "one of many", list_chain(options.length))

    async def measure_small() -> float:
        begun_at = time.perf_counter()
        await wait_until_over(wms, [await launch(wms, small)])
        return time.perf_counter() - begun_at

    alone_s = statistics.median([await measure_small() for _ in range(5)])
    begun_at = time.perf_counter()
    runs = [await launch(wms, large) for _ in range(options.trees)]
    among_s = await measure_small()
    await wait_until_over(wms, runs)
    return alone_s, among_s, time.perf_counter() - begun_at


async def measure(services: Services, options: argparse.Namespace) -> Table:
    """Return the table."""
    counter = CallCounter()
    monitoring.register(counter)
    table = Table("what", "measured", "ratio", title="decision trees")
    async with AsyncExitStack() as stack:
        wms = await stack.enter_async_context(running_wms(services))
        for name in ("w1", "w2"):
            await add_worker(services, stack, name, _NOOP)
        while await repository.find_definition(wms.store, _NOOP.name) is None:
            await asyncio.sleep(0.02)
        work = {"kind": "process", "definition": _NOOP.name}
        raw = {"name": "noop", "organization": _ORGANIZATION, "work": work}
        await wms.trees.templates.create_template(_ADMIN, TemplateKind.JOB, raw)
        await wms.store.insert_new("bench", [{"_id": 1, "n": 0}])
        write_ms = await measure_p50_ms(
            lambda: wms.store.compare_and_set("bench", {"_id": 1}, {"$inc": {"n": 1}, "$set": {"at": utc_now()}}), 200
        )
        table.add_row("one majority write, p50", f"{write_ms:.1f} ms", "")
        await walk(wms, counter, await make_tree(wms, "warm", list_chain(10)), 10)
        long: Walk | None = None
        for shape, list_nodes in (("chain", list_chain), ("fan-out", list_fan)):
            base_ms = 0.0
            for n in (max(2, options.nodes // 10), options.nodes):
                walked = await walk(wms, counter, await make_tree(wms, f"{shape} of {n}", list_nodes(n)), n)
                base_ms = base_ms or walked.node_ms
                long = walked if shape == "chain" else long
                table.add_row(
                    f"a node of a {shape} of {n}",
                    f"{walked.node_ms:.1f} ms, {walked.cpu_ms:.1f} ms of CPU",
                    f"{walked.node_ms / base_ms:.2f} x the small one",
                )
        assert long is not None
        p50_ms, most_ms = statistics.median(long.pauses_ms), statistics.quantiles(long.pauses_ms, n=100)[98]
        table.add_row(
            "a node's end to the next job, p50", f"{p50_ms:.1f} ms", f"{p50_ms / PAUSE_LIMIT_MS:.2f} of the limit"
        )
        table.add_row("the same, p99", f"{most_ms:.1f} ms", f"{most_ms / write_ms:.0f} writes")
        table.add_row("calls of the database for a node of the chain", f"{long.calls:.1f}", "")
        alone_s, among_s, all_s = await measure_crowd(wms, options)
        share_s = all_s * _N_SMALL / options.length
        table.add_row(f"a tree of {_N_SMALL} alone", f"{alone_s:.2f} s", "")
        table.add_row(
            f"the same, after {options.trees} trees of {options.length}",
            f"{among_s:.2f} s; all: {all_s:.1f} s",
            f"{among_s / share_s:.2f} of its share",
        )
    table.caption = f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
    return table


def main(arguments: list[str] | None = None) -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, default=1000, help="of the large chain and fan-out")
    parser.add_argument("--trees", type=int, default=100, help="how many run beside the small one")
    parser.add_argument("--length", type=int, default=20, help="how many nodes each of these has")
    options = parser.parse_args(arguments)
    console = Console()
    installed = prepare_servers(console, os.environ, (packages.BROKER,))
    with run_directory() as directory, running_services(installed, directory, with_condor=False) as services:
        console.print(asyncio.run(measure(services, options)))


if __name__ == "__main__":
    main()
