"""The status map of processes: every node status x every wait kind, and every query against every run."""

import itertools
from collections.abc import Mapping
from typing import Any

import pytest

from schemas.engine.graph import WaitKind
from schemas.engine.processes import RESUMABLE, Assignee, ProcessStatus, StepStatus
from schemas.engine.runs import NodeState, NodeStatus, RunStatus
from tests.unit.wms.processes.process_runs import make_error, make_node, store_node
from wms.processes.process_status import (
    find_assignee,
    find_holding_node,
    find_process_status,
    find_step_status,
    make_status_query,
)

P, S, N = ProcessStatus, StepStatus, NodeStatus

#: Node status -> the step's, whatever it may have waited for before.
STEP_STATUS = {
    N.PENDING: S.PENDING,
    N.DUE: S.PENDING,
    N.TAKEN: S.PENDING,
    N.RETRYING: S.WAITING,
    N.HALTED: S.FAILED,
    N.SUCCESSFUL: S.SUCCESS,
    N.SKIPPED: S.SKIPPED,
    N.FAILED: S.FAILED,
    N.ERROR: S.FAILED,
    N.CANCELED: S.ABORT,
    N.PASSED: S.PENDING,
}

#: Wait kind -> the status of the step, and of the process that it holds up.
WAITS = {
    WaitKind.INPUT: (S.SUSPEND, P.SUSPENDED),
    WaitKind.APPROVAL: (S.SUSPEND, P.SUSPENDED),
    WaitKind.CALLBACK: (S.AWAITING_CALLBACK, P.AWAITING_CALLBACK),
    WaitKind.EVENT: (S.AWAITING_CALLBACK, P.AWAITING_CALLBACK),
    WaitKind.POLL: (S.WAITING, P.WAITING),
    WaitKind.CHILD: (S.PENDING, P.WAITING),
    None: (S.WAITING, P.WAITING),
}


def test_the_tables_are_complete() -> None:
    assert {*STEP_STATUS, N.WAITING} == set(NodeStatus)
    assert set(WAITS) == {*WaitKind, None}


@pytest.mark.parametrize(("node", "wait"), list(itertools.product(NodeStatus, [*WaitKind, None])))
def test_every_node_status_and_wait_kind_has_its_step_status(node: NodeStatus, wait: WaitKind | None) -> None:
    expected = WAITS[wait][0] if node is N.WAITING else STEP_STATUS[node]
    assert find_step_status(node, wait) is expected


def test_a_step_of_a_later_version_is_shown_as_pending() -> None:
    assert find_step_status(NodeStatus("levitating")) is S.PENDING
    assert find_step_status(N.WAITING, WaitKind("moonrise")) is S.WAITING


def test_the_last_step_is_complete_and_no_other() -> None:
    assert find_step_status(N.SUCCESSFUL, is_done=True) is S.COMPLETE
    assert find_step_status(N.SKIPPED, is_done=True) is S.SKIPPED
    assert find_step_status(N.FAILED, is_done=True) is S.FAILED


@pytest.mark.parametrize("wait", [*WaitKind, None])
def test_a_waiting_process_has_the_status_of_its_wait(wait: WaitKind | None) -> None:
    nodes = [make_node(0, N.SUCCESSFUL), make_node(1, N.WAITING, wait=wait), make_node(2, N.PENDING)]
    assert find_process_status(RunStatus.WAITING, nodes) is WAITS[wait][1]


@pytest.mark.parametrize(
    ("run", "expected"),
    [
        (RunStatus.CREATED, P.CREATED),
        (RunStatus.RUNNING, P.RUNNING),
        (RunStatus.STOPPED, P.SUSPENDED),
        (RunStatus.SUCCESSFUL, P.COMPLETED),
        (RunStatus.FAILED, P.FAILED),
        (RunStatus.ERROR, P.FAILED),
        (RunStatus.CANCELED, P.ABORTED),
        (RunStatus.HALTED, P.FAILED),
        (RunStatus.WAITING, P.WAITING),
        (RunStatus("dreaming"), P.RUNNING),
    ],
)
def test_every_run_status_has_its_process_status(run: RunStatus, expected: ProcessStatus) -> None:
    assert find_process_status(run, []) is expected


def test_a_step_that_is_due_again_and_not_taken_makes_its_process_resumed() -> None:
    again = make_node(1, N.DUE, attempt=2, n_sent=1)
    assert find_process_status(RunStatus.RUNNING, [again]) is P.RESUMED
    for change in ({"attempt": 1}, {"n_taken": 1}, {"n_polls": 1}, {"status": N.TAKEN}):
        assert find_process_status(RunStatus.RUNNING, [again.model_copy(update=change)]) is P.RUNNING


@pytest.mark.parametrize(
    ("details", "status", "assignee"),
    [
        ({}, P.FAILED, Assignee.SYSTEM),
        ({"status": "failed", "assignee": "CHANGES"}, P.FAILED, Assignee.CHANGES),
        ({"status": "inconsistent_data", "assignee": "NOC"}, P.INCONSISTENT_DATA, Assignee.NOC),
        ({"status": "inconsistent_data"}, P.INCONSISTENT_DATA, Assignee.NOC),
        ({"status": "api_unavailable", "assignee": "SYSTEM"}, P.API_UNAVAILABLE, Assignee.SYSTEM),
        ({"status": "completed", "assignee": "the cat"}, P.FAILED, Assignee.SYSTEM),
    ],
)
def test_o31_a_halted_process_has_the_status_and_assignee_of_its_error(
    details: Mapping[str, Any], status: ProcessStatus, assignee: Assignee
) -> None:
    node = make_node(1, N.HALTED, error=make_error(**details))
    assert find_process_status(RunStatus.HALTED, [node]) is status
    assert find_assignee(status, node) is assignee


def test_the_resumable_statuses_are_the_seven_of_the_contract() -> None:
    assert {*ProcessStatus} - RESUMABLE == {P.CREATED, P.RUNNING, P.COMPLETED, P.ABORTED}


def test_the_worst_open_node_holds_the_process_up() -> None:
    nodes = [make_node(0, N.DUE), make_node(1, N.WAITING, wait=WaitKind.POLL), make_node(2, N.HALTED)]
    for expected in ("2", "1", "0"):
        found = find_holding_node(nodes)
        assert found is not None
        assert found.key == expected
        nodes.remove(found)
    assert find_holding_node([make_node(0, N.PENDING), make_node(1, N.SUCCESSFUL)]) is None


def list_nodes() -> list[NodeState]:
    """Return a node for each thing that can decide a process's status."""
    halted = [{}, {"status": "inconsistent_data"}, {"status": "api_unavailable"}]
    return [
        *(make_node(0, N.WAITING, wait=wait) for wait in [*WaitKind, None]),
        *(make_node(0, N.HALTED, error=make_error(**details)) for details in halted),
        *(make_node(0, status) for status in NodeStatus if status not in (N.WAITING, N.HALTED)),
        make_node(0, N.DUE, attempt=2),
        make_node(0, N.DUE, attempt=2, n_taken=1),
        make_node(0, N.DUE, attempt=2, n_polls=1),
    ]


@pytest.mark.parametrize("run", list(RunStatus))
def test_the_query_of_a_status_finds_exactly_the_runs_that_have_it(run: RunStatus) -> None:
    """The law that makes lists, counts and documents agree: each run is found by the query of its status alone."""
    for pair in itertools.product(list_nodes(), repeat=2):
        document = {"status": run, "nodes": [store_node(node) for node in pair]}
        found = [status for status in ProcessStatus if matches(document, make_status_query(status))]
        assert found == [find_process_status(run, pair)], pair


def matches(document: Mapping[str, Any], query: Mapping[str, Any]) -> bool:
    """Return whether MongoDB's `query` finds `document`, for the operators that are used here."""
    return all(_matches_part(document, key, wanted) for key, wanted in query.items())


def _matches_part(document: Mapping[str, Any], key: str, wanted: Any) -> bool:
    match key:
        case "$or":
            return any(matches(document, query) for query in wanted)
        case "$and":
            return all(matches(document, query) for query in wanted)
        case "$nor":
            return not any(matches(document, query) for query in wanted)
    value: Any = document
    for part in key.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    if not isinstance(wanted, Mapping):
        return bool(value == wanted)
    return all(_meets(value, operator, operand) for operator, operand in wanted.items())


def _meets(value: Any, operator: str, operand: Any) -> bool:
    match operator:
        case "$in":
            return value in operand
        case "$gt":
            return value is not None and bool(value > operand)
        case "$elemMatch":
            return any(matches(one, operand) for one in value)
        case "$not":
            return not all(_meets(value, inner, bound) for inner, bound in operand.items())
    raise NotImplementedError(operator)
