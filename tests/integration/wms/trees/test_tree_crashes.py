"""WMS, step workers, broker and database are killed and frozen at failpoints while trees go on.

Each node has one job, no fleet workflow is an orphan, and a receiver that keeps ids is told once of each event. The
points are those of the first sweep of `make crash ARGS=trees`, which launches two trees for each of them. Here a few
trees meet them all, on the same processes, and servers are struck at few points.
"""

from dataclasses import replace
from pathlib import Path

import pytest

from deploy.local.system.services import Services
from tests.campaigns.crash_campaign import run_seeds, start_fork_server
from tests.campaigns.engine_plan import SEEDS_A_SWEEP, join_plans, plan_strikes
from tests.campaigns.tree_crash import TREES
from tests.campaigns.tree_plan import find_tree_points

#: The trees of so many seeds are launched.
_LAUNCHED = 6


@pytest.mark.timeout(700)
async def test_trees_survive_what_strikes_wms_workers_and_servers(services: Services, tmp_path: Path) -> None:
    points = find_tree_points()
    plans = [plan_strikes(seed, points, few_servers=True) for seed in range(SEEDS_A_SWEEP)]
    joined = replace(join_plans(plans), parts=tuple(plans[:_LAUNCHED]))
    assert len(joined.at_points) == len(points)
    with start_fork_server() as forks:
        judgements = await run_seeds(TREES, services, forks, [joined], tmp_path, n_at_once=1)
    assert judgements[joined.seed].faults == []
