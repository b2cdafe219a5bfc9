"""WMS, step workers, broker and database are killed and frozen at failpoints: no run loses or repeats anything.

The seeds are every third of the first sweep of `make crash ARGS=engine`. A sweep meets every point of the source, and
takes ten minutes. Servers are struck at few points.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.system.services import Services
from tests.campaigns.crash_campaign import run_seeds, start_fork_server
from tests.campaigns.engine_crash import ENGINE
from tests.campaigns.engine_plan import SEEDS_A_SWEEP, find_points, plan_strikes
from tests.campaigns.fork_server import ForkServer

_SEEDS = range(0, SEEDS_A_SWEEP, 3)
_GROUPS = 3
#: Many more would take the machine from the tests beside them.
_AT_ONCE = 3


@pytest.fixture(scope="module")
def forks() -> Iterator[ForkServer]:
    with start_fork_server() as server:
        yield server


@pytest.mark.timeout(400)
@pytest.mark.parametrize("group", range(_GROUPS))
async def test_runs_survive_what_strikes_wms_workers_and_servers(
    group: int, services: Services, forks: ForkServer, tmp_path: Path
) -> None:
    seeds = _SEEDS[group::_GROUPS]
    plans = [plan_strikes(seed, find_points(), few_servers=True) for seed in seeds]
    judgements = await run_seeds(ENGINE, services, forks, plans, tmp_path, n_at_once=_AT_ONCE)
    assert judgements.keys() == set(seeds)
    assert {seed: judgement.faults for seed, judgement in judgements.items() if judgement.faults} == {}
