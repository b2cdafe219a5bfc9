"""Each condition of a taskforce is written twice, in Python and for MongoDB: both must say the same."""

from collections.abc import Callable
from datetime import datetime
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.fleet.documents import TaskforceDocument
from schemas.fleet.phases import Deactivated, Phase
from tests.unit.wms.fleet.filter_matching import matches
from tests.unit.wms.fleets import NOW, later, made
from wms.fleet.choices.tms_port import EVENTS, REST, TmsPort
from wms.fleet.life import conditions
from wms.fleet.life.conditions import Filter
from wms.fleet.repository import make_document

NEW = made()
#: Before now, now, and after it.
INSTANTS = st.sampled_from([later(minutes=-20), later(seconds=-1), NOW, later(seconds=1), later(minutes=20)])
MAX_FAILURES = 3


def make_taskforce(fields: dict[str, object]) -> TaskforceDocument:
    return NEW.taskforces[0].model_copy(update=fields)


_TURNS: dict[str, tuple[object, ...]] = {
    "phase": tuple(Phase),
    "asked_at": (None, NOW),
    "n_asked": (conditions.PATIENCE, conditions.PATIENCE + 1),
    "retry_at": (None, later(seconds=-1), NOW, later(seconds=1)),
    "stuck": ("", "no room"),
    "ended_at": (None, NOW),
    "cluster_id": (None, 7),
    "n_submit_failures": (MAX_FAILURES - 1, MAX_FAILURES),
}
TASKFORCES = st.fixed_dictionaries(
    {
        "phase": st.sampled_from(list(Phase)),
        "asked_at": st.none() | INSTANTS,
        "n_asked": st.integers(0, 5),
        "retry_at": st.none() | INSTANTS,
        "stuck": st.sampled_from(["", "no room"]),
        "ended_at": st.none() | INSTANTS,
        "cluster_id": st.none() | st.integers(1, 2),
        "n_submit_failures": st.integers(0, MAX_FAILURES + 1),
    }
).map(make_taskforce)
PORTS = st.sampled_from([EVENTS, REST])

PAIRS: dict[str, tuple[Callable[[TaskforceDocument], bool], Filter]] = {
    "not over": (lambda t: not conditions.is_over(t), conditions.NOT_OVER),
    "before submission": (conditions.is_before_submission, conditions.BEFORE_SUBMISSION),
    "ready, with orders": (lambda t: conditions.is_ready(t, EVENTS, NOW), conditions.filter_ready(EVENTS, NOW)),
    "ready, without orders": (lambda t: conditions.is_ready(t, REST, NOW), conditions.filter_ready(REST, NOW)),
    "ordered start": (conditions.is_ordered_start, conditions.ORDERED_START),
    "unanswered start": (conditions.is_unanswered_start, conditions.UNANSWERED_START),
    "offered start": (
        lambda t: conditions.is_offered_start(t, MAX_FAILURES),
        conditions.filter_offered_starts(MAX_FAILURES),
    ),
    "offered stop": (lambda t: conditions.is_offered_stop(t, NOW), conditions.filter_offered_stops(NOW)),
    "unordered stop": (conditions.is_unordered_stop, conditions.UNORDERED_STOP),
}


#: Every combination of the values at which a condition may turn. Drawn examples miss conditions with many parts.
EVERY = [make_taskforce(dict(zip(_TURNS, values, strict=True))) for values in product(*_TURNS.values())]
DOCUMENTS = [make_document(taskforce) for taskforce in EVERY]


@pytest.mark.parametrize("name", PAIRS)
def test_a_condition_and_its_filter_agree(name: str) -> None:
    holds, query = PAIRS[name]
    pairs = zip(EVERY, DOCUMENTS, strict=True)
    assert [document for taskforce, document in pairs if matches(document, query) is not holds(taskforce)] == []


@pytest.mark.parametrize("name", PAIRS)
def test_every_condition_holds_of_some_taskforces_and_not_of_others(name: str) -> None:
    holds, _ = PAIRS[name]
    some = [make_taskforce({"phase": phase, "cluster_id": 7, "asked_at": at}) for phase in Phase for at in (None, NOW)]
    assert {holds(taskforce) for taskforce in some} == {True, False}


@given(taskforce=TASKFORCES)
def test_what_waits_for_its_turn_takes_no_place_in_the_window(taskforce: TaskforceDocument) -> None:
    assert not (conditions.is_ready(taskforce, EVENTS, NOW) and conditions.is_unanswered_start(taskforce))


@given(taskforce=TASKFORCES)
def test_a_stop_without_an_order_is_due_now_where_wms_sends_orders(taskforce: TaskforceDocument) -> None:
    if conditions.is_unordered_stop(taskforce):
        assert conditions.is_due(taskforce, NEW.workflow, EVENTS, NOW)


@given(taskforce=TASKFORCES)
def test_wms_does_nothing_about_what_a_tms_that_polls_is_offered(taskforce: TaskforceDocument) -> None:
    is_offered = conditions.is_offered_start(taskforce, MAX_FAILURES) or conditions.is_offered_stop(taskforce, NOW)
    if is_offered and taskforce.asked_at is None:
        assert not conditions.is_due(taskforce, NEW.workflow, REST, NOW)


@pytest.mark.parametrize("retry_at", [None, later(seconds=-1)])
@pytest.mark.parametrize(("port", "cluster_id"), [(EVENTS, None), (EVENTS, 7), (REST, None)])
def test_a_stop_that_no_tms_is_going_to_ask_for_is_due_now(
    port: TmsPort, cluster_id: int | None, retry_at: datetime | None
) -> None:
    stop = make_taskforce({"phase": Phase.PENDING_STOPPER, "cluster_id": cluster_id, "retry_at": retry_at})
    assert conditions.is_due(stop, NEW.workflow, port, NOW)


@given(taskforce=TASKFORCES, port=PORTS)
def test_nothing_is_due_once_a_taskforce_is_over(taskforce: TaskforceDocument, port: TmsPort) -> None:
    if conditions.is_over(taskforce):
        assert conditions.find_due_at(taskforce, NEW.workflow, port, NOW) is None


def test_a_taskforce_that_came_after_the_queues_is_due_until_its_workflow_ends() -> None:
    active = NEW.workflow.model_copy(update={"queues_active_at": NOW})
    ended = active.model_copy(update={"deactivated": Deactivated.ABORTED})
    new = NEW.taskforces[0]
    assert [conditions.is_due(new, workflow, EVENTS, NOW) for workflow in (NEW.workflow, active, ended)] == [
        False,
        True,
        False,
    ]
