"""The plan of the node loss campaign."""

import pytest

from tests.campaigns.node_loss import N_AT_ONCE, WAYS, plan_rounds


@pytest.mark.parametrize("n_runs", [1, N_AT_ONCE, 100])
def test_so_many_runs_are_planned_and_a_seed_repeats_them(n_runs: int) -> None:
    rounds = plan_rounds(7, n_runs)
    assert sum(one.n_runs for one in rounds) == n_runs
    assert all(1 <= one.n_runs <= N_AT_ONCE for one in rounds)
    assert rounds == plan_rounds(7, n_runs)


def test_the_node_dies_in_every_way() -> None:
    assert {one.way for one in plan_rounds(3, 2 * N_AT_ONCE)} == set(WAYS)
