"""A queue is gone for good when the broker says so again and again, and its user hears which and why."""

import pytest

from pilot.events.gone_queues import Refusals, describe_gone
from schemas.ids import Mqid
from schemas.pilot.pilot_wire import QueueEndpoint


def after(*looks: tuple[float, bool]) -> bool:
    refusals = Refusals()
    for now_s, is_missing in looks:
        refusals = refusals.add_attempt(now_s, is_missing=is_missing)
    return refusals.is_gone


@pytest.mark.parametrize(
    ("looks", "is_gone"),
    [
        (((0, True),), False),
        (((0, True), (1, True), (2, True)), False),  # a broker that is just coming up
        (((0, True), (9, True)), False),
        (((0, True), (1, True), (3, True)), True),
        (((0, True), (1, False), (2, True), (4, True)), False),  # it was something else in between
        (((0, True), (1, True), (500, True), (503, True)), False),  # it was there in between
        (((0, True), (1, True), (50, True)), True),
    ],
)
def test_a_queue_is_gone_after_looks_that_a_restart_does_not_explain(
    looks: tuple[tuple[float, bool], ...], is_gone: bool
) -> None:
    assert after(*looks) is is_gone


def test_the_queue_is_named_as_users_and_operators_know_it_with_what_to_do() -> None:
    assert describe_gone("input", QueueEndpoint(Mqid("a7"), "b", alias="photons"), "WF-1") == (
        "the input queue 'photons' (a7) does not exist any more: the workflow is over, or its queue was deleted; "
        "see `ewms workflow show WF-1`; to go on, request the workflow again"
    )
    assert "the output queue a7 does not" in describe_gone("output", QueueEndpoint(Mqid("a7"), "b"), "")
