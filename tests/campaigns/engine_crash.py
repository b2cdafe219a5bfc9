"""`make crash ARGS=engine`: strike WMS, step workers, broker and database while runs go on; nothing may be lost.

Each seed runs four runs on real processes: every kind of step and wait with two children, a run within a run, one that
is canceled at some moment, and one whose state is put before it begins. Meanwhile processes reach the points of the
seed's plan (`tests.campaigns.engine_plan`). At each point WMS, a step worker, the broker or the database is killed or
frozen. Some seeds run at the same time: they share the servers, and what happens to these. With `--together` some also
share their processes, which then meet the points of all of these seeds.

    make crash ARGS=engine                                        200 seeds, a random first one
    make crash ARGS='engine --runs 25 --first 0'
    make crash ARGS='engine --first 17 --runs 1'                  one of them again
    make crash ARGS='engine --first 0 --runs 25 --together 11'     as `make test` runs them
"""

import asyncio
import sys
from contextlib import AsyncExitStack, suppress

from schemas.engine.graph import BranchingProfile, Definition, Graph, Node
from tests.campaigns.crash_campaign import (
    WHOLE_EACH_S,
    WHOLE_S,
    CrashCampaign,
    await_end,
    connect_with_definitions,
    run_campaign,
)
from tests.campaigns.engine_driver import Driver
from tests.campaigns.engine_judgement import Judgement, judge
from tests.campaigns.engine_plan import LEAF, PlannedStrikes, find_points
from tests.campaigns.engine_processes import SeedProcesses
from tests.campaigns.engine_world import Site
from wms.engine import repository

_NEST = Definition(
    name="nest",
    graph=Graph(
        profile=BranchingProfile.DAG,
        nodes=(Node.model_validate({"key": "leaf", "name": "leaf", "kind": "run", "definition": LEAF}),),
    ),
)


async def run_seed(site: Site, planned: PlannedStrikes) -> Judgement:
    """Carry out one seed, or several on the same processes; return what is wrong with it."""
    servers, diary = site.world.servers, site.directory / "diary"
    diary.touch()
    async with AsyncExitStack() as stack:
        async with servers.hold_still():
            store = await connect_with_definitions(stack, site, _NEST)
        processes = await stack.enter_async_context(SeedProcesses(site, planned, diary))
        driver = Driver(processes.wms, store, planned.seeds)
        faults = ["it was not over in time"]
        with suppress(TimeoutError):
            async with asyncio.timeout(WHOLE_S + (len(planned.seeds) - 1) * WHOLE_EACH_S):
                if planned.workers_are_late:
                    await driver.launch_all(before_workers=True)
                    await asyncio.sleep(1.0)
                await processes.start_workers()
                await driver.launch_all(before_workers=False)
                faults = await await_end(driver, servers)
        async with servers.hold_still():
            runs = await driver.load_runs()
            logs = {run.id: await repository.load_log(store, run.id) for run in runs.values()}
        judgement = judge(runs, logs, diary.read_text().splitlines(), n_seeds=len(planned.seeds))
        judgement.faults += [*faults, *processes.list_points_not_met()]
    return judgement


ENGINE = CrashCampaign("engine", find_points, run_seed, n_runs=200, joins_seeds=True)

if __name__ == "__main__":
    sys.exit(run_campaign(ENGINE))
