"""What the crash campaigns over seeds share: `make crash ARGS=engine`, `ARGS=trees`.

A `CrashCampaign` says what it strikes and how one seed is carried out and judged. The command line, the servers, the
fork server, the seeds that run at the same time, and the wait for the end of a seed's runs are written here once.

    seed ── plan_strikes ──► planned ──► run_seed(site, planned) ──► Judgement ──► a line, and the exit status
"""

import argparse
import asyncio
import json
import os
import secrets
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Protocol, TypeVar

from rich.console import Console

from deploy.local.files.run_directory import run_directory
from deploy.local.system.services import Services, running_services
from deploy.local.system.up import prepare_servers
from ewms.steps.testing import keep_definitions, keep_registrations
from ewms.worker.offers import load_offers
from runtime.clock import utc_now
from runtime.kernel.store import Store
from schemas.engine.graph import Definition
from schemas.engine.run_documents import RunDocument
from schemas.engine.runs import NODE_OPEN, RUN_OVER
from schemas.errors import Unavailable
from tests.campaigns.engine_judgement import Judgement
from tests.campaigns.engine_plan import SEEDS_A_SWEEP, PlannedStrikes, Point, join_neighbours, plan_strikes
from tests.campaigns.engine_processes import STEPS
from tests.campaigns.engine_world import Site, StruckServers, World, connect_store, open_site
from tests.campaigns.fork_server import ForkServer
from wms.engine import repository

#: While the servers serve, a run may stand still for so long, and the whole of a seed may take so long, in seconds. A
#: lost order comes again after 10 s, then 20 s, and on busy cores an answer to it may be late, too.
PATIENCE_S = 60.0
WHOLE_S = 240.0
#: Each further seed on the same processes may take so much longer: a process that is frozen stands for 7 s.
WHOLE_EACH_S = 30.0
#: So often each seed looks at its runs.
LOOK_S = 0.1

Key = TypeVar("Key")


@dataclass(frozen=True, slots=True)
class CrashCampaign:
    """A campaign: the word after `make crash ARGS=`, its points, how a seed is carried out, and how many by default."""

    word: str
    find_points: Callable[[], list[Point]]
    run_seed: Callable[[Site, PlannedStrikes], Awaitable[Judgement]]
    n_runs: int = SEEDS_A_SWEEP
    #: Whether `run_seed` also carries out the plan that `join_plans` makes of several.
    joins_seeds: bool = False


class SeedDriver(Protocol[Key]):
    """Does for the runs of one seed what people and outside systems do."""

    async def load_runs(self) -> dict[Key, RunDocument]:
        """Return the runs that there are."""
        ...

    async def bring_on(self, runs: dict[Key, RunDocument]) -> None:
        """Do what somebody outside would do next."""
        ...


def start_fork_server() -> ForkServer:
    """Return what launches the processes of the seeds."""
    return ForkServer("wms.app", "ewms.worker.app", STEPS)


@cache
def list_definitions() -> tuple[Definition, ...]:
    """Return what the campaigns' step workers offer. The step lists stay unknown to other tests of this process."""
    with keep_definitions(without_others=True), keep_registrations():
        return tuple(offer.sent for offer in load_offers((STEPS,), "default").values())


async def connect_with_definitions(stack: AsyncExitStack, site: Site, *others: Definition) -> Store:
    """Return a connection to the seed's database until `stack` closes. The step lists and `others` are stored there.

    Call it while the servers hold still.
    """
    store = await connect_store(site)
    stack.push_async_callback(store.close)
    for definition in (*others, *list_definitions()):
        await repository.store_definition(store, definition, definition.hash, utc_now())
    return store


async def await_end(driver: SeedDriver[Key], servers: StruckServers) -> list[str]:
    """Bring the runs of a seed on until all are over; return which of them stood still for too long."""
    changed_at, revisions = time.monotonic(), dict[Key, int]()
    while True:
        try:
            runs = await driver.load_runs()
            await driver.bring_on(runs)
        except Unavailable:
            # The database is away.
            await asyncio.sleep(LOOK_S)
            continue
        # Children are runs of their own.
        if all(run.status in RUN_OVER for run in runs.values()):
            return []
        now = time.monotonic()
        if (found := {key: run.rev for key, run in runs.items()}) != revisions:
            revisions, changed_at = found, now
        if now - max(changed_at, servers.served_since) > PATIENCE_S:
            return [f"{key} is stuck: {_describe(run)}" for key, run in runs.items() if run.status not in RUN_OVER]
        await asyncio.sleep(LOOK_S)


def _describe(run: RunDocument) -> str:
    nodes = [f"{state.key} {state.status} {state.explanation}" for state in run.nodes if state.status in NODE_OPEN]
    return f"{run.title or run.definition} {run.status} {run.explanation} {'; '.join(nodes)}"


async def run_seeds(
    campaign: CrashCampaign,
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
    # This imports much, and would keep a seed that connects to the database waiting for too long.
    list_definitions()

    async def run_some() -> None:
        for planned in left:
            begun_at = time.monotonic()
            async with open_site(world, f"{campaign.word}-{planned.seed}") as site:
                judgement = judgements[planned.seed] = await campaign.run_seed(site, planned)
            judgement.taken_s = time.monotonic() - begun_at
            on_judged(planned, judgement)

    async with asyncio.TaskGroup() as group:
        world = World(services, StruckServers(services, group), forks, directory)
        for _ in range(n_at_once):
            group.create_task(run_some())
    return judgements


def run_campaign(campaign: CrashCampaign, words: Sequence[str] | None = None) -> int:
    """Run the campaign as the command line `words` asks for; return the exit status."""
    parser = argparse.ArgumentParser(prog=f"make crash ARGS={campaign.word}")
    parser.add_argument("--runs", type=int, default=campaign.n_runs)
    parser.add_argument("--first", type=int, default=SEEDS_A_SWEEP * secrets.randbelow(1000), help="the first seed")
    parser.add_argument("--at-once", type=int, default=5, help="how many seeds run at the same time")
    parser.add_argument("--few-servers", action="store_true", help="strike servers four times a sweep, as `make test`")
    parser.add_argument("--report", type=Path, help="a file for the faults as JSON")
    if campaign.joins_seeds:
        parser.add_argument("--together", type=int, default=1, help="how many seeds share their processes")
    arguments = parser.parse_args(words)
    console = Console()
    points, n_bad = campaign.find_points(), 0
    console.print(f"{len(points)} points, first seed {arguments.first}, load {os.getloadavg()[0]:.1f}", highlight=False)

    def print_judgement(planned: PlannedStrikes, judgement: Judgement) -> None:
        nonlocal n_bad
        n_bad += bool(judgement.faults)
        line = f"{planned.seed:6} {judgement.taken_s:5.1f} s  {judgement}  [{planned}]"
        console.print(line, highlight=False, markup=False, soft_wrap=True)

    seeds = range(arguments.first, arguments.first + arguments.runs)
    plans = [plan_strikes(seed, points, few_servers=arguments.few_servers) for seed in seeds]
    if campaign.joins_seeds and arguments.together > 1:
        plans = join_neighbours(plans, arguments.together)
    begun_at = time.monotonic()
    with (
        run_directory(keep_logs=lambda: n_bad > 0) as directory,
        running_services(prepare_servers(console, os.environ), directory, with_condor=False) as services,
        start_fork_server() as forks,
    ):
        console.print(f"logs: {directory}", highlight=False, markup=False)
        work = run_seeds(
            campaign, services, forks, plans, directory / "logs", n_at_once=arguments.at_once, on_judged=print_judgement
        )
        judgements = asyncio.run(work)
    taken_s = time.monotonic() - begun_at
    console.print(f"{arguments.runs} runs, {n_bad} with faults, {taken_s:.0f} s", highlight=False)
    if arguments.report:
        arguments.report.write_text(json.dumps({seed: one.faults for seed, one in judgements.items()}, indent=1))
    return 1 if n_bad else 0
