"""The statuses of flows: every status of a run, with every wish about it, and back."""

from itertools import product

import pytest

from schemas.engine.flows import FlowStatus
from schemas.engine.runs import NODE_OVER, RUN_OVER, NodeStatus, RunStatus, WantKind
from tests.unit.wms.fleet.filter_matching import matches
from wms.flows.statuses import find_flow_status, find_node_status, make_status_filter

NEWER = RunStatus("of a newer version")
NEWER_WANT = WantKind("of a newer version")
CASES = list(product([*RunStatus, NEWER], [None, *WantKind, NEWER_WANT]))

#: The table of the module, once more and in full.
EXPECTED = {
    RunStatus.CREATED: ("Initializing", "Stopped", "Canceling"),
    RunStatus.RUNNING: ("Processing", "Stopped", "Canceling"),
    RunStatus.WAITING: ("Processing", "Stopped", "Canceling"),
    RunStatus.HALTED: ("Stopped", "Stopped", "Canceling"),
    RunStatus.STOPPED: ("Stopped", "Stopped", "Canceling"),
    RunStatus.SUCCESSFUL: ("Finished",) * 3,
    RunStatus.FAILED: ("Error",) * 3,
    RunStatus.ERROR: ("Error",) * 3,
    RunStatus.CANCELED: ("Canceled",) * 3,
    NEWER: ("Processing", "Stopped", "Canceling"),
}


def test_every_status_of_a_run_with_every_wish() -> None:
    assert list(WantKind) == [WantKind.STOP, WantKind.CANCEL]
    for status, (alone, stopped, canceled) in EXPECTED.items():
        assert find_flow_status(status, None) == alone
        assert find_flow_status(status, WantKind.STOP) == stopped
        assert find_flow_status(status, WantKind.CANCEL) == canceled
        assert find_flow_status(status, NEWER_WANT) == alone


def test_finished_is_what_is_over() -> None:
    assert {status for status in FlowStatus if status.is_finished} == {"Finished", "Error", "Canceled"}
    for status, want in CASES:
        assert find_flow_status(status, want).is_finished == (status in RUN_OVER)


@pytest.mark.parametrize("wanted", list(FlowStatus))
def test_t1_the_filter_of_a_status_finds_exactly_the_runs_that_have_it(wanted: FlowStatus) -> None:
    query = make_status_filter(wanted)
    for status, want in CASES:
        document = {"status": status.value, "want": None if want is None else {"kind": want.value}}
        assert matches(document, query) == (find_flow_status(status, want) is wanted), (status, want)


def test_every_status_of_a_node() -> None:
    found = {status: find_node_status(status) for status in NodeStatus}
    assert found == {
        NodeStatus.PENDING: FlowStatus.INITIALIZING,
        NodeStatus.DUE: FlowStatus.PROCESSING,
        NodeStatus.TAKEN: FlowStatus.PROCESSING,
        NodeStatus.WAITING: FlowStatus.PROCESSING,
        NodeStatus.RETRYING: FlowStatus.PROCESSING,
        NodeStatus.HALTED: FlowStatus.ERROR,
        NodeStatus.SUCCESSFUL: FlowStatus.FINISHED,
        NodeStatus.SKIPPED: FlowStatus.FINISHED,
        NodeStatus.FAILED: FlowStatus.ERROR,
        NodeStatus.ERROR: FlowStatus.ERROR,
        NodeStatus.CANCELED: FlowStatus.CANCELED,
        NodeStatus.PASSED: None,
    }
    assert find_node_status(NodeStatus("of a newer version")) is FlowStatus.PROCESSING
    assert NodeStatus.PASSED in NODE_OVER
