"""`make crash ARGS=trees`: strike WMS, step workers, broker and database while decision trees go on.

Each seed launches the two trees of `tests.campaigns.tree_plan` on real processes, approves one and cancels the other,
and strikes at the points of its plan. In the end each node has one job, no fleet workflow is an orphan, and a receiver
that keeps ids was told once of each event.

    make crash ARGS=trees                            25 seeds, one sweep over all points
    make crash ARGS='trees --runs 100 --first 0'
    make crash ARGS='trees --first 17 --runs 1'      one of them again
"""

import argparse
import asyncio
import os
import secrets
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

from rich.console import Console

from deploy.local.run_directory import run_directory
from deploy.local.services import Services, running_services
from deploy.local.up import prepare_servers
from runtime.clock import utc_now
from runtime.kernel.store import Store
from schemas.documents import WORKFLOWS
from schemas.errors import Unavailable
from schemas.ids import OrganizationId, RunId
from schemas.notifications import NotificationList, NotificationTemplateId, name_template
from schemas.runs import RUN_OVER
from schemas.trees import TemplateKind
from tests.bench.big_graphs import DueNodes
from tests.campaigns.engine_crash import PATIENCE_S, list_definitions, start_fork_server
from tests.campaigns.engine_plan import SEEDS_A_SWEEP, PlannedStrikes, plan_strikes
from tests.campaigns.engine_processes import SeedProcesses
from tests.campaigns.engine_world import Site, StruckServers, World, connect_store, open_site
from tests.campaigns.fork_server import ForkServer
from tests.campaigns.tree_driver import LOOK_S, TreeDriver
from tests.campaigns.tree_plan import FLEET, INNER, LEAVE, PROCESSES, RELEASE, find_tree_points, judge_trees, list_news
from tests.integration.wms.trees.receivers import HookReceiver, receive_hooks
from wms.encryption import SecretKeys
from wms.engine import repository
from wms.engine.effects import Effects
from wms.engine.engine import Engine
from wms.engine.step_workers import StepWorkers
from wms.located_text import LocatedDocument
from wms.notifications.notification_parts import build_notifications
from wms.notifications.notification_settings import NotificationSettings
from wms.tenancy.organizations import Organizations
from wms.tenancy.rights import Principal, TenancyRole
from wms.trees.graphs.tree_definitions import name_definition
from wms.trees.tree_parts import build_trees

_WHOLE_S = 240.0
_ORGANIZATION = OrganizationId("default")
_ADMIN = Principal("ada", roles={_ORGANIZATION: frozenset({TenancyRole.ORG_ADMIN})})
#: A workflow whose taskforces no TMS ever starts.
_REQUEST = {
    "public_queue_aliases": ["in", "out"],
    "tasks": [
        {
            "cluster_locations": ["sub-2"],
            "task_image": "none",
            "task_args": "true {{INFILE}} {{OUTFILE}}",
            "input_queue_aliases": ["in"],
            "output_queue_aliases": ["out"],
            "n_workers": 1,
            "worker_config": {
                "do_transfer_worker_stdouterr": True,
                "max_worker_runtime": 60,
                "n_cores": 1,
                "priority": 1,
                "worker_disk": "64M",
                "worker_memory": "64M",
            },
        }
    ],
}


async def store_templates(store: Store, url: str) -> tuple[dict[str, str], NotificationTemplateId]:
    """Store the templates of both trees, and let them tell the receiver at `url`. Return the names of the trees'
    definitions, and the notification template.
    """
    workers = StepWorkers(store)
    engine = Engine(store, Effects(DueNodes(), workers, source="ewms/campaign"), workers)
    organizations = Organizations(store)
    trees = build_trees(store, engine, organizations)
    settings = NotificationSettings(keys=SecretKeys([]), allows_local=True)
    notifications = build_notifications(store, engine, organizations, settings).service
    works: dict[str, Any] = {name: {"kind": "process", "definition": each} for name, each in PROCESSES.items()}
    for name, work in {**works, FLEET: {"kind": "fleet", "request": _REQUEST}}.items():
        raw = {"name": name, "organization": _ORGANIZATION, "work": work}
        await trees.templates.create_template(_ADMIN, TemplateKind.JOB, raw)
    hook = {"name": "hook", "organization": _ORGANIZATION, "notification_type": "webhook"}
    made = await notifications.create_template(_ADMIN, {**hook, "notification_configuration": {"url": url}})
    lists = [NotificationList.STARTED, NotificationList.SUCCESS, NotificationList.ERROR]
    found = {}
    for name, nodes in (("inner", INNER), ("release", RELEASE), ("leave", LEAVE)):
        raw = {"name": name, "organization": _ORGANIZATION, "topology": "dag"}
        template = await trees.templates.create_template(_ADMIN, TemplateKind.WORKFLOW, raw)
        await trees.nodes.replace_graph(_ADMIN, template.id, LocatedDocument({"nodes": nodes}))
        if name != "inner":
            await notifications.link(_ADMIN, name_template(template.id), _ORGANIZATION, lists, made.id)
            found[name] = name_definition(template.id)
    return found, made.id


async def run_seed(site: Site, planned: PlannedStrikes) -> list[str]:
    """Carry out one seed; return what is wrong with it."""
    servers, diary = site.world.servers, site.directory / "diary"
    diary.touch()
    async with AsyncExitStack() as stack:
        hook = await stack.enter_async_context(receive_hooks())
        async with servers.hold_still():
            store = await connect_store(site)
            stack.push_async_callback(store.close)
            for definition in list_definitions():
                await repository.store_definition(store, definition, definition.hash, utc_now())
            definitions, template = await store_templates(store, hook.url.removesuffix("/hook"))
        processes = await stack.enter_async_context(SeedProcesses(site, planned, diary))
        driver = TreeDriver(processes.wms, store, planned, definitions)
        await processes.start_workers()
        faults = ["it was not over in time"]
        with suppress(TimeoutError):
            async with asyncio.timeout(_WHOLE_S):
                await driver.launch_all()
                faults = await _await_end(driver, servers)
                trees = driver.find_trees(await driver.load_runs())
                await _await_news(hook, list_news(trees, template), servers)
        async with servers.hold_still():
            runs = await driver.load_runs()
            workflows = await store.find(WORKFLOWS, {})
        told = set(hook.ids)
        faults += judge_trees(driver.find_trees(runs), runs, workflows=workflows, told=told, template=template)
        return [*faults, *processes.list_points_not_met()]


async def _await_end(driver: TreeDriver, servers: StruckServers) -> list[str]:
    """Bring the trees on until all runs are over; return which of them stood still for too long."""
    changed_at, revisions = time.monotonic(), dict[RunId, int]()
    while True:
        try:
            runs = await driver.load_runs()
            await driver.bring_on(runs)
        except Unavailable:
            await asyncio.sleep(LOOK_S)
            continue
        if all(run.status in RUN_OVER for run in runs.values()):
            return []
        now = time.monotonic()
        if (found := {run_id: run.rev for run_id, run in runs.items()}) != revisions:
            revisions, changed_at = found, now
        if now - max(changed_at, servers.served_since) > PATIENCE_S:
            return [
                f"{run.title} {run.id} is stuck: {run.status}" for run in runs.values() if run.status not in RUN_OVER
            ]
        await asyncio.sleep(LOOK_S)


async def _await_news(hook: HookReceiver, wanted: set[str], servers: StruckServers) -> None:
    """Wait until the receiver has all news, or for as long as a lost one could need."""
    begun_at = time.monotonic()
    while set(hook.ids) != wanted and time.monotonic() - max(begun_at, servers.served_since) < PATIENCE_S:
        await asyncio.sleep(LOOK_S)


async def run_seeds(
    services: Services,
    forks: ForkServer,
    plans: Iterable[PlannedStrikes],
    directory: Path,
    *,
    n_at_once: int,
    on_judged: Callable[[PlannedStrikes, list[str], float], None] = lambda *_: None,
) -> dict[int, list[str]]:
    """Carry out these plans, some at the same time; return the faults of each, by its seed."""
    judged: dict[int, list[str]] = {}
    left = iter(plans)
    # This imports much, and would keep a seed that connects to the database waiting for too long.
    list_definitions()

    async def run_some() -> None:
        for planned in left:
            begun_at = time.monotonic()
            async with open_site(world, f"tree-{planned.seed}") as site:
                faults = judged[planned.seed] = await run_seed(site, planned)
            on_judged(planned, faults, time.monotonic() - begun_at)

    async with asyncio.TaskGroup() as group:
        world = World(services, StruckServers(services, group), forks, directory)
        for _ in range(n_at_once):
            group.create_task(run_some())
    return judged


def main(words: Sequence[str] | None = None) -> int:
    """Run the campaign; return the exit status."""
    parser = argparse.ArgumentParser(prog="make crash ARGS=trees")
    parser.add_argument("--runs", type=int, default=SEEDS_A_SWEEP)
    parser.add_argument("--first", type=int, default=SEEDS_A_SWEEP * secrets.randbelow(1000), help="the first seed")
    parser.add_argument("--at-once", type=int, default=5, help="how many seeds run at the same time")
    arguments = parser.parse_args(words)
    console = Console()
    points, n_bad = find_tree_points(), 0
    console.print(f"{len(points)} points, first seed {arguments.first}, load {os.getloadavg()[0]:.1f}", highlight=False)

    def print_judgement(planned: PlannedStrikes, faults: list[str], taken_s: float) -> None:
        nonlocal n_bad
        n_bad += bool(faults)
        told = f"BAD {'; '.join(faults)}" if faults else "good"
        line = f"{planned.seed:6} {taken_s:5.1f} s  {told}  [{planned}]"
        console.print(line, highlight=False, markup=False, soft_wrap=True)

    seeds = range(arguments.first, arguments.first + arguments.runs)
    plans = [plan_strikes(seed, points) for seed in seeds]
    with (
        run_directory(keep_logs=lambda: n_bad > 0) as directory,
        running_services(prepare_servers(console, os.environ), directory, with_condor=False) as services,
        start_fork_server() as forks,
    ):
        console.print(f"logs: {directory}", highlight=False, markup=False)
        campaign = run_seeds(
            services, forks, plans, directory / "logs", n_at_once=arguments.at_once, on_judged=print_judgement
        )
        judged = asyncio.run(campaign)
    console.print(f"{len(judged)} runs, {n_bad} with faults", highlight=False)
    return 1 if n_bad else 0


if __name__ == "__main__":
    sys.exit(main())
