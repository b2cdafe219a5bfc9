"""The plan of the engine's crash campaign: a sweep meets every point of the source, eight meet it in every way."""

import typing
from collections import Counter
from pathlib import Path

import pytest

from tests.campaigns.engine_plan import (
    SEEDS_A_SWEEP,
    WAYS,
    Point,
    Strike,
    Victim,
    Way,
    find_points,
    join_neighbours,
    plan_strikes,
)
from wms.engine.life.stimuli import RunStimulus

POINTS = find_points()


def test_the_points_are_those_of_the_source_with_each_stimulus() -> None:
    names = {point.name for point in POINTS}
    for stimulus in typing.get_args(RunStimulus):
        assert {f"engine.decided/{stimulus.__name__}", f"engine.committed/{stimulus.__name__}"} <= names
    assert {"engine.launched", "engine.sent", "engine.input_kept", "store.committed", "bus.handled"} <= names
    assert {"worker.accepted", "worker.called", "worker.confirmed"} <= names
    assert len(POINTS) == len(set(POINTS))


def test_a_new_failpoint_of_the_source_is_a_new_point(tmp_path: Path) -> None:
    for folder in ("wms/engine", "runtime/bus", "runtime/kernel", "ewms/worker"):
        (tmp_path / folder).mkdir(parents=True)
    for file in ("runtime/bus/intake.py", "runtime/kernel/store.py"):
        (tmp_path / file).write_text("")
    (tmp_path / "wms/engine" / "new.py").write_text('failpoint("engine.new")')
    assert find_points(tmp_path) == [Point(Victim.WMS, "engine.new")]


@pytest.mark.parametrize("few_servers", [True, False])
@pytest.mark.parametrize("sweep", [0, 1, 7])
def test_one_sweep_meets_every_point_once(sweep: int, few_servers: bool) -> None:
    seeds = range(sweep * SEEDS_A_SWEEP, (sweep + 1) * SEEDS_A_SWEEP)
    planned = [point for seed in seeds for point in plan_strikes(seed, POINTS, few_servers=few_servers).at_points]
    assert sorted(planned, key=str) == sorted(POINTS, key=str)


def test_200_seeds_in_a_row_kill_and_freeze_each_of_the_four_victims_at_every_point() -> None:
    assert set(WAYS) == {Way(strike, victim) for strike in Strike for victim in Victim}
    first = 3 * SEEDS_A_SWEEP
    met = Counter(
        (point, way)
        for seed in range(first, first + 200)
        for point, way in plan_strikes(seed, POINTS).at_points.items()
    )
    assert met == {(point, way): 1 for point in POINTS for way in WAYS}


@pytest.mark.parametrize("sweep", range(8))
def test_with_few_servers_a_sweep_strikes_each_server_in_each_way_once(sweep: int) -> None:
    seeds = range(sweep * SEEDS_A_SWEEP, (sweep + 1) * SEEDS_A_SWEEP)
    ways = Counter(way for seed in seeds for way in plan_strikes(seed, POINTS, few_servers=True).at_points.values())
    assert {way: n for way, n in ways.items() if way.victim in (Victim.BROKER, Victim.DATABASE)} == {
        Way(strike, victim): 1 for strike in Strike for victim in (Victim.BROKER, Victim.DATABASE)
    }
    assert set(ways) == set(WAYS)


@pytest.mark.parametrize("n_together", [1, 9, 25])
def test_seeds_that_share_processes_meet_the_points_of_all_of_them(n_together: int) -> None:
    plans = [plan_strikes(seed, POINTS, few_servers=True) for seed in range(SEEDS_A_SWEEP)]
    joined = join_neighbours(plans, n_together)
    seeds = [planned for each in joined for planned in each.seeds]
    assert sorted(seeds, key=lambda planned: planned.seed) == plans
    assert sorted((point for each in joined for point in each.at_points), key=str) == sorted(POINTS, key=str)


def test_a_seed_whose_workers_are_struck_within_the_long_step_shares_no_process() -> None:
    joined = join_neighbours([plan_strikes(seed, POINTS) for seed in range(SEEDS_A_SWEEP)], SEEDS_A_SWEEP)
    assert {each.strike_at_long_step for each in joined} == {None, Strike.KILL, Strike.FREEZE}
    assert [len(each.seeds) for each in joined if each.strike_at_long_step is None] == [SEEDS_A_SWEEP - len(joined) + 1]
