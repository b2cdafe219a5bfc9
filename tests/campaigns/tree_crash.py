"""`make crash ARGS=trees`: strike WMS, step workers, broker and database while decision trees go on.

Each seed launches the two trees of `tests.campaigns.tree_plan` on real processes, approves one and cancels the other,
and strikes at the points of its plan. In the end each node has one job, no fleet workflow is an orphan, and a receiver
that keeps ids was told once of each event. `make test` strikes at all points once,
while six seeds share their processes.

    make crash ARGS=trees                            25 seeds, one sweep over all points
    make crash ARGS='trees --runs 100 --first 0'
    make crash ARGS='trees --first 17 --runs 1'      one of them again
    make crash ARGS='trees --first 0 --together 5'   five seeds on the same processes
"""

import asyncio
import sys
import time
from contextlib import AsyncExitStack, suppress
from typing import Any

from runtime.kernel.store import Store
from schemas.automation.notifications import NotificationList, NotificationTemplateId, name_template
from schemas.automation.trees import TemplateKind
from schemas.fleet.documents import WORKFLOWS
from schemas.ids import OrganizationId
from tests.bench.big_graphs import DueNodes
from tests.campaigns.crash_campaign import (
    LOOK_S,
    PATIENCE_S,
    WHOLE_EACH_S,
    WHOLE_S,
    CrashCampaign,
    await_end,
    connect_with_definitions,
    run_campaign,
)
from tests.campaigns.engine_judgement import Judgement
from tests.campaigns.engine_plan import PlannedStrikes
from tests.campaigns.engine_processes import SeedProcesses
from tests.campaigns.engine_world import Site, StruckServers
from tests.campaigns.tree_driver import TreeDriver
from tests.campaigns.tree_plan import FLEET, INNER, LEAVE, PROCESSES, RELEASE, find_tree_points, judge_trees, list_news
from tests.integration.wms.trees.receivers import HookReceiver, receive_hooks
from wms.encryption import SecretKeys
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


async def run_seed(site: Site, planned: PlannedStrikes) -> Judgement:
    """Carry out one seed, or several on the same processes; return what is wrong with it."""
    servers, diary = site.world.servers, site.directory / "diary"
    diary.touch()
    async with AsyncExitStack() as stack:
        hook = await stack.enter_async_context(receive_hooks())
        async with servers.hold_still():
            store = await connect_with_definitions(stack, site)
            definitions, template = await store_templates(store, hook.url.removesuffix("/hook"))
        processes = await stack.enter_async_context(SeedProcesses(site, planned, diary))
        driver = TreeDriver(processes.wms, store, planned.seeds, definitions)
        await processes.start_workers()
        faults = ["it was not over in time"]
        with suppress(TimeoutError):
            async with asyncio.timeout(WHOLE_S + (len(planned.seeds) - 1) * WHOLE_EACH_S):
                await driver.launch_all()
                faults = await await_end(driver, servers)
                trees = driver.find_trees(await driver.load_runs())
                await _await_news(hook, list_news(trees, template), servers)
        async with servers.hold_still():
            runs = await driver.load_runs()
            workflows = await store.find(WORKFLOWS, {})
        told = set(hook.ids)
        faults += judge_trees(driver.find_trees(runs), runs, workflows=workflows, told=told, template=template)
        return Judgement([*faults, *processes.list_points_not_met()])


async def _await_news(hook: HookReceiver, wanted: set[str], servers: StruckServers) -> None:
    """Wait until the receiver has all news, or for as long as a lost one could need."""
    begun_at = time.monotonic()
    while set(hook.ids) != wanted and time.monotonic() - max(begun_at, servers.served_since) < PATIENCE_S:
        await asyncio.sleep(LOOK_S)


TREES = CrashCampaign("trees", find_tree_points, run_seed, joins_seeds=True)

if __name__ == "__main__":
    sys.exit(run_campaign(TREES))
