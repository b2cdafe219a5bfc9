"""What the command shows of a flow: its nodes with marks, times and results, and what to type next."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ewms.cli.text.steps.flows import find_flow_command, flow_lines, is_flow_settled, list_ended_nodes
from schemas.api.flows import FlowDetail, FlowInfo, FlowNodeInfo
from schemas.engine.flows import FlowStatus

T0 = datetime(2026, 11, 29, 8, tzinfo=UTC)


def info(status: FlowStatus, **more: Any) -> FlowInfo:
    head = {"biz_id": "c1", "biz_type": "cluster", "create_time": T0, "update_time": T0}
    return FlowInfo(id="f-1", name="create_cluster", status=status, **{**head, **more})


def node(name: str, status: FlowStatus, *, took: float | None = None, **more: Any) -> FlowNodeInfo:
    started = None if status is FlowStatus.INITIALIZING else T0
    ended = None if took is None else T0 + timedelta(seconds=took)
    head = {"id": name, "parent_id": "f-1", "edge": name, "parameters": "", "operation_id": "", "result": ""}
    return FlowNodeInfo(name=name, status=status, start_time=started, end_time=ended, **{**head, **more})


def test_a_flow_shows_its_nodes_their_results_and_the_operation_that_is_polled() -> None:
    nodes = (
        node("allocate", FlowStatus.FINISHED, took=0.5, result="3 hosts\nCompleted."),
        node("create", FlowStatus.PROCESSING, operation_id="op-7"),
        node("announce", FlowStatus.INITIALIZING),
    )
    flow = FlowDetail(info=info(FlowStatus.PROCESSING), nodes=nodes)
    assert [line.plain for line in flow_lines(flow, T0 + timedelta(seconds=9))] == [
        "create_cluster  f-1  Processing",
        "about cluster c1, made 2026-11-29 08:00:00 UTC",
        "  ✓ allocate  0.5 s",
        "      3 hosts",
        "      Completed.",
        "  ~ create  9.0 s",
        "      operation op-7",
        "  · announce",
        "  next: ewms flow watch f-1",
    ]
    assert [line for _, line in list_ended_nodes(flow)] == ["allocate: Finished: 3 hosts; Completed."]


def test_a_canceled_flow_shows_its_reason() -> None:
    flow = FlowDetail(info=info(FlowStatus.CANCELED, reason="wrong customer", biz_id="", biz_type=""))
    lines = [line.plain for line in flow_lines(flow, T0)]
    assert "  wrong customer" in lines
    assert lines[1].startswith("about nothing, made")


@pytest.mark.parametrize("status", list(FlowStatus))
def test_every_status_of_a_flow_has_a_next_command(status: FlowStatus) -> None:
    words = {FlowStatus.INITIALIZING: "resume", FlowStatus.STOPPED: "resume"}
    going = {FlowStatus.PROCESSING, FlowStatus.CANCELING}
    expected = words.get(status, "watch" if status in going else "list")
    assert find_flow_command(info(status)).startswith(f"ewms flow {expected}")
    assert is_flow_settled(status) == (status not in going | {FlowStatus.INITIALIZING})
