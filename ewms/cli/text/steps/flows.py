"""Show flows as text: the table of a list, a flow with its nodes, and what to type next. (core)"""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from datetime import datetime

from rich.table import Table
from rich.text import Text

from ewms.cli.text.steps.processes import MARKS, format_time, format_took, make_table
from schemas.api.flows import FlowDetail, FlowInfo
from schemas.engine.flows import FlowStatus
from schemas.engine.processes import StepStatus

#: A node's mark is that of a step which stands likewise.
_LIKE: Mapping[FlowStatus, StepStatus] = {
    FlowStatus.INITIALIZING: StepStatus.PENDING,
    FlowStatus.PROCESSING: StepStatus.WAITING,
    FlowStatus.STOPPED: StepStatus.SUSPEND,
    FlowStatus.FINISHED: StepStatus.SUCCESS,
    FlowStatus.ERROR: StepStatus.FAILED,
    FlowStatus.CANCELING: StepStatus.ABORT,
    FlowStatus.CANCELED: StepStatus.ABORT,
}


def is_flow_settled(status: FlowStatus) -> bool:
    """Return whether a flow with this status does not go on by itself."""
    return status.is_finished or status is FlowStatus.STOPPED


def flow_table(flows: Sequence[FlowInfo]) -> Table:
    """Return a table with a row for each flow."""
    table = make_table("flow", "name", "status", "about", "made (UTC)")
    for one in flows:
        about = Text(f"{one.biz_type} {one.biz_id}".strip())
        table.add_row(one.id, Text(one.name), str(one.status), about, format_time(one.create_time))
    return table


def flow_lines(flow: FlowDetail, now: datetime) -> Iterator[Text]:
    """Yield the lines about a flow: its nodes with marks, times and results, and what to type next."""
    info = flow.info
    yield Text.assemble((info.name, "bold"), f"  {info.id}  ", (str(info.status), MARKS[_LIKE[info.status]][1]))
    about = f"about {info.biz_type} {info.biz_id}".rstrip() if info.biz_type or info.biz_id else "about nothing"
    yield Text(f"{about}, made {format_time(info.create_time)} UTC")
    for node in flow.nodes:
        mark, style = MARKS[_LIKE[node.status]]
        yield Text.assemble(f"  {mark} ", (node.name, style), format_took(node.start_time, node.end_time, now))
        failed = node.status is FlowStatus.ERROR
        for line in node.result.splitlines():
            yield Text(f"      {line}", style="red" if failed else "")
        if node.operation_id and not node.status.is_finished:
            yield Text(f"      operation {node.operation_id}")
    if info.reason:
        yield Text(f"  {info.reason}")
    yield Text(f"  next: {find_flow_command(info)}")


def list_ended_nodes(flow: FlowDetail) -> Iterator[tuple[Hashable, str]]:
    """Yield for each node that has ended a key, which distinguishes it from other lines, and a line about it."""
    for node in flow.nodes:
        if node.end_time is not None and node.status is not FlowStatus.INITIALIZING:
            result = "; ".join(node.result.splitlines())
            yield (node.edge, node.end_time), f"{node.name}: {node.status}{f': {result}' if result else ''}"


def find_flow_command(info: FlowInfo) -> str:
    """Return the command that is most useful for the flow `info` now.

    For some statuses, four spaces and a remark for people follow the command.
    """
    match info.status:
        case FlowStatus.INITIALIZING:
            return f"ewms flow resume {info.id}    starts it"
        case FlowStatus.STOPPED:
            return f"ewms flow resume {info.id}    lets it go on; a node that failed runs again"
        case FlowStatus.PROCESSING | FlowStatus.CANCELING:
            return f"ewms flow watch {info.id}"
        case _:
            return f"ewms flow list --name {info.name}"
