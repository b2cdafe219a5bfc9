"""WMS, step workers, broker and database are killed and frozen at failpoints: no run loses or repeats anything.

The seeds are the first sweep of `make crash ARGS=engine`, which meets every point of the source. There each seed has
processes of its own. Here most share them, which takes half of the CPU. Servers are struck at few points.
"""

from pathlib import Path

import pytest

from deploy.local.system.services import Services
from tests.campaigns.crash_campaign import run_seeds, start_fork_server
from tests.campaigns.engine_crash import ENGINE
from tests.campaigns.engine_plan import SEEDS_A_SWEEP, find_points, join_neighbours, plan_strikes

#: So many seeds share their processes, if they can.
_TOGETHER = 11
#: More sets of processes at the same time would take the machine from the tests beside them.
_AT_ONCE = 3


@pytest.mark.timeout(700)
async def test_runs_survive_what_strikes_wms_workers_and_servers(services: Services, tmp_path: Path) -> None:
    plans = [plan_strikes(seed, find_points(), few_servers=True) for seed in range(SEEDS_A_SWEEP)]
    joined = join_neighbours(plans, _TOGETHER)
    with start_fork_server() as forks:
        judgements = await run_seeds(ENGINE, services, forks, joined, tmp_path, n_at_once=_AT_ONCE)
    assert sum(len(planned.seeds) for planned in joined) == SEEDS_A_SWEEP
    assert judgements.keys() == {planned.seed for planned in joined}
    assert {seed: judgement.faults for seed, judgement in judgements.items() if judgement.faults} == {}
