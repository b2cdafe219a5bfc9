"""The plan of the crash campaign strikes everything at every moment, and can be repeated."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from tests.campaigns.faults import LONGEST_PAUSE_S, N_SINGLE, SHORTEST_PAUSE_S, Act, Moment, Victim, plan_runs


def test_88_runs_strike_each_kind_at_each_moment_and_several_at_once_in_16() -> None:
    runs = plan_runs(seed=1, n_runs=88)
    single = Counter((run.moment, run.faults[0].victim, run.faults[0].act) for run in runs if len(run.faults) == 1)
    assert N_SINGLE == 72
    assert set(single) == {(moment, victim, act) for moment in Moment for victim in Victim for act in Act}
    assert sum(len(run.faults) > 1 for run in runs) == 16


@given(seed=st.integers(0, 10_000), n_runs=st.integers(0, 200))
def test_a_plan_depends_on_its_seed_alone_and_its_first_runs_do_not_depend_on_their_number(
    seed: int, n_runs: int
) -> None:
    runs = plan_runs(seed, n_runs)
    assert len(runs) == n_runs
    assert runs == plan_runs(seed, n_runs + 7)[:n_runs]
    assert [run.number for run in runs] == list(range(1, n_runs + 1))


@given(seed=st.integers(0, 10_000))
def test_faults_at_once_have_different_victims_and_only_pauses_have_a_length(seed: int) -> None:
    for run in plan_runs(seed, 88):
        victims = [fault.victim for fault in run.faults]
        assert len(set(victims)) == len(victims)
        for fault in run.faults:
            is_pause = fault.act is Act.PAUSE
            assert (SHORTEST_PAUSE_S <= fault.pause_s <= LONGEST_PAUSE_S) if is_pause else fault.pause_s == 0
