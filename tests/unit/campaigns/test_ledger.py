"""The ledger of a run tells what is lost from what is only repeated, dead or never promised."""

import pytest

from tests.campaigns.ledger import judge_run


def test_a_confirmed_event_that_is_neither_here_nor_dead_is_lost() -> None:
    verdict = judge_run({1, 2, 3}, {1: 1}, dead={2})
    assert verdict.lost == {3}
    assert not verdict.is_good


def test_repeats_and_events_that_were_never_confirmed_are_no_loss() -> None:
    verdict = judge_run({1, 2}, {1: 1, 2: 3, 9: 1})
    assert verdict.is_good
    assert (verdict.n_repeats, verdict.n_received) == (2, 3)


@pytest.mark.parametrize(("stuck", "is_good"), [("", True), ("the workflow is not over after 180 s", False)])
def test_a_workflow_that_does_not_end_is_not_good_even_if_nothing_is_lost(stuck: str, is_good: bool) -> None:
    assert judge_run({1}, {1: 1}, stuck=stuck).is_good is is_good
