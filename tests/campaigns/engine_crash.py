"""`make crash ARGS=engine`: strike WMS, step workers, broker and database while runs go on; nothing may be lost.

Each seed runs four runs on real processes: every kind of step and wait with two children, a run within a run, one that
is canceled at some moment, and one whose state is put before it begins. Meanwhile processes reach the points of the
seed's plan (`tests.campaigns.engine_plan`). At each point WMS, a step worker, the broker or the database is killed or
frozen. Some seeds run at the same time: they share the servers, and what happens to these.

    make crash ARGS=engine                            200 seeds, a random first one
    make crash ARGS='engine --runs 25 --first 0'
    make crash ARGS='engine --first 17 --runs 1'      one of them again
"""

import argparse
import asyncio
import json
import os
import secrets
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import AsyncExitStack, suppress
from functools import cache
from pathlib import Path

from rich.console import Console

from deploy.local.run_directory import run_directory
from deploy.local.services import Services, running_services
from deploy.local.up import prepare_servers
from ewms.steps.testing import keep_definitions, keep_registrations
from ewms.worker.offers import load_offers
from runtime.clock import utc_now
from schemas.errors import Unavailable
from schemas.graph import BranchingProfile, Definition, Graph, Node
from schemas.run_documents import RunDocument
from schemas.runs import NODE_OPEN, RUN_OVER
from tests.campaigns.engine_driver import Driver
from tests.campaigns.engine_judgement import Judgement, judge
from tests.campaigns.engine_plan import LEAF, SEEDS_A_SWEEP, PlannedStrikes, find_points, plan_strikes
from tests.campaigns.engine_processes import STEPS, SeedProcesses
from tests.campaigns.engine_world import Site, StruckServers, World, connect_store, open_site
from tests.campaigns.fork_server import ForkServer
from wms.engine import repository

#: While the servers serve, a run may stand still for so long, and the whole of a seed may take so long, in seconds. A
#: lost order comes again after 10 s, then 20 s, and on busy cores an answer to it may be late, too.
PATIENCE_S = 60.0
_WHOLE_S = 240.0
#: So often each seed looks at its runs.
_LOOK_S = 0.1
_NEST = Definition(
    name="nest",
    graph=Graph(
        profile=BranchingProfile.DAG,
        nodes=(Node.model_validate({"key": "leaf", "name": "leaf", "kind": "run", "definition": LEAF}),),
    ),
)


def start_fork_server() -> ForkServer:
    """Return what launches the processes of the seeds."""
    return ForkServer("wms.app", "ewms.worker.app", STEPS)


async def run_seeds(
    services: Services,
    forks: ForkServer,
    plans: Iterable[PlannedStrikes],
    directory: Path,
    *,
    n_at_once: int,
    on_judged: Callable[[PlannedStrikes, Judgement], None] = lambda *_: None,
) -> dict[int, Judgement]:
    """Carry out these plans, some at the same time; return the judgement on each, by its seed."""
    judgements: dict[int, Judgement] = {}
    left = iter(plans)

    async def run_some() -> None:
        for planned in left:
            async with open_site(world, f"seed-{planned.seed}") as site:
                judgement = judgements[planned.seed] = await run_seed(site, planned)
            on_judged(planned, judgement)

    async with asyncio.TaskGroup() as group:
        world = World(services, StruckServers(services, group), forks, directory)
        for _ in range(n_at_once):
            group.create_task(run_some())
    return judgements


async def run_seed(site: Site, planned: PlannedStrikes) -> Judgement:
    """Carry out one seed; return what is wrong with it."""
    begun_at = time.monotonic()
    servers = site.world.servers
    diary = site.directory / "diary"
    diary.touch()
    async with AsyncExitStack() as stack:
        async with servers.hold_still():
            store = await connect_store(site)
            stack.push_async_callback(store.close)
            for definition in (_NEST, *list_definitions()):
                await repository.store_definition(store, definition, definition.hash, utc_now())
        processes = await stack.enter_async_context(SeedProcesses(site, planned, diary))
        driver = Driver(processes.wms, store, planned)
        if not planned.workers_are_late:
            await processes.start_workers()
        faults = ["it was not over in time"]
        with suppress(TimeoutError):
            async with asyncio.timeout(_WHOLE_S):
                await driver.launch_all()
                if planned.workers_are_late:
                    await asyncio.sleep(1.0)
                    await processes.start_workers()
                faults = await _await_end(driver, servers)
        async with servers.hold_still():
            runs = await driver.load_runs()
            logs = {run.id: await repository.load_log(store, run.id) for run in runs.values()}
        judgement = judge(runs, logs, diary.read_text().splitlines())
        judgement.faults += [*faults, *processes.list_points_not_met()]
    judgement.taken_s = time.monotonic() - begun_at
    return judgement


@cache
def list_definitions() -> tuple[Definition, ...]:
    """Return what the campaign's step workers offer. The step lists stay unknown to other tests of this process."""
    with keep_definitions(without_others=True), keep_registrations():
        return tuple(offer.sent for offer in load_offers((STEPS,), "default").values())


async def _await_end(driver: Driver, servers: StruckServers) -> list[str]:
    """Bring the runs on until all are over; return which of them stood still for too long."""
    changed_at = time.monotonic()
    revisions: dict[str, int] = {}
    while True:
        try:
            runs = await driver.load_runs()
            await driver.bring_on(runs)
        except Unavailable:
            # The database is away.
            await asyncio.sleep(_LOOK_S)
            continue
        # The nest's child and the walk's children are runs of their own.
        if all(run.status in RUN_OVER for run in runs.values()):
            return []
        now = time.monotonic()
        if (found := {name: run.rev for name, run in runs.items()}) != revisions:
            revisions, changed_at = found, now
        if now - max(changed_at, servers.served_since) > PATIENCE_S:
            return [f"{name} is stuck: {_describe(run)}" for name, run in runs.items() if run.status not in RUN_OVER]
        await asyncio.sleep(_LOOK_S)


def _describe(run: RunDocument) -> str:
    nodes = [f"{state.key} {state.status} {state.explanation}" for state in run.nodes if state.status in NODE_OPEN]
    return f"{run.status} {run.explanation} {'; '.join(nodes)}"


def main(words: Sequence[str] | None = None) -> int:
    """Run the campaign; return the exit status."""
    parser = argparse.ArgumentParser(prog="make crash ARGS=engine")
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--first", type=int, default=SEEDS_A_SWEEP * secrets.randbelow(1000), help="the first seed")
    parser.add_argument("--at-once", type=int, default=5, help="how many seeds run at the same time")
    parser.add_argument("--few-servers", action="store_true", help="strike servers four times a sweep, as `make test`")
    parser.add_argument("--report", type=Path, help="a file for the faults as JSON")
    arguments = parser.parse_args(words)
    console = Console()
    points = find_points()
    load = f"load {os.getloadavg()[0]:.1f}"
    console.print(f"{len(points)} points, first seed {arguments.first}, {load}", highlight=False)
    n_bad = 0

    def print_judgement(planned: PlannedStrikes, judgement: Judgement) -> None:
        nonlocal n_bad
        n_bad += bool(judgement.faults)
        told = "good" if not judgement.faults else "BAD " + "; ".join(judgement.faults)
        line = f"{planned.seed:6} {judgement.taken_s:5.1f} s  {judgement.n_calls} calls  {told}  [{planned}]"
        console.print(line, highlight=False, markup=False, soft_wrap=True)

    seeds = range(arguments.first, arguments.first + arguments.runs)
    plans = [plan_strikes(seed, points, few_servers=arguments.few_servers) for seed in seeds]
    begun_at = time.monotonic()
    with (
        run_directory(keep_logs=lambda: n_bad > 0) as directory,
        running_services(prepare_servers(console, os.environ), directory, with_condor=False) as services,
        start_fork_server() as forks,
    ):
        console.print(f"logs: {directory}", highlight=False, markup=False)
        campaign = run_seeds(
            services, forks, plans, directory / "logs", n_at_once=arguments.at_once, on_judged=print_judgement
        )
        judgements = asyncio.run(campaign)
    taken_s = time.monotonic() - begun_at
    console.print(f"{len(judgements)} runs, {n_bad} with faults, {taken_s:.0f} s", highlight=False)
    if arguments.report:
        arguments.report.write_text(json.dumps({seed: one.faults for seed, one in judgements.items()}, indent=1))
    return 1 if n_bad else 0


if __name__ == "__main__":
    sys.exit(main())
