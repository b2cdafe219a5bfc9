"""The plan of the endings campaign meets every trouble, and its judge tells a good ending from every other one."""

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.campaigns.troubles import IN_EVENTS, N_EVENTS, Ending, PlannedRun, Trouble, find_faults, plan_runs


def test_66_runs_meet_each_trouble_six_times() -> None:
    assert Counter(run.trouble for run in plan_runs(seed=1, n_runs=66)) == dict.fromkeys(Trouble, 6)


def test_only_the_chosen_troubles_are_met() -> None:
    runs = plan_runs(1, 6, {Trouble.POISON, Trouble.ALL_FAIL})
    assert Counter(run.trouble for run in runs) == {Trouble.POISON: 3, Trouble.ALL_FAIL: 3}


@given(seed=st.integers(0, 10_000), n_runs=st.integers(0, 100))
def test_a_plan_depends_on_its_seed_alone_and_its_first_runs_do_not_depend_on_their_number(
    seed: int, n_runs: int
) -> None:
    runs = plan_runs(seed, n_runs)
    assert len(runs) == n_runs
    assert runs == plan_runs(seed, n_runs + 7)[:n_runs]
    assert [run.number for run in runs] == list(range(1, n_runs + 1))


@given(seed=st.integers(0, 10_000))
def test_events_are_bad_only_where_the_trouble_lies_in_them(seed: int) -> None:
    for run in plan_runs(seed, 22):
        assert bool(run.bad) is (run.trouble in IN_EVENTS)
        assert bool(run.good) is (run.trouble is not Trouble.ALL_FAIL)
        assert run.good | run.bad == set(range(N_EVENTS))


BUG = PlannedRun(1, Trouble.BUG, n_workers=2, bad=frozenset({3}), times=1, delay_s=0)
GOOD = Ending(received=dict.fromkeys(BUG.good, 1), dead=frozenset({3}), outcome="done with failures")


def test_a_run_whose_good_events_are_back_and_whose_bad_ones_are_dead_has_no_fault() -> None:
    assert find_faults(BUG, GOOD) == ()


@pytest.mark.parametrize(
    ("ending", "fault"),
    [
        (replace(GOOD, received=dict.fromkeys(BUG.good - {7}, 1)), "good events without a result: [7]"),
        (replace(GOOD, dead=frozenset()), "bad events without a dead letter: [3]"),
        (replace(GOOD, dead=frozenset({3, 4})), "good events among the dead letters: [4]"),
        (replace(GOOD, outcome="done"), "it ended as done, not as done with failures"),
        (replace(GOOD, outcome=""), "it ended as nothing, not as done with failures"),
        (replace(GOOD, unseen_stall_s=31), "stalled unseen for 31 s"),
        (replace(GOOD, end_took_s=61), "it ended 61 s after its last event was settled"),
        (replace(GOOD, faults=("no cause",)), "no cause"),
    ],
)
def test_each_fault_is_named(ending: Ending, fault: str) -> None:
    assert find_faults(BUG, ending) == (fault,)


@pytest.mark.parametrize("trouble", [Trouble.NO_SLOT, Trouble.WRONG_REQUEST])
def test_a_run_that_cannot_work_owes_no_results_but_must_be_seen_to_stall(trouble: Trouble) -> None:
    run = replace(BUG, trouble=trouble, bad=frozenset())
    assert find_faults(run, Ending({}, frozenset(), outcome="")) == ()
    assert find_faults(run, Ending({}, frozenset(), outcome="", unseen_stall_s=99)) == ("stalled unseen for 99 s",)
