"""Small tables of the command. Pure: objects in, a renderable out."""

from collections.abc import Sequence
from datetime import UTC, datetime

from rich import box
from rich.table import Table
from rich.text import Text

from schemas.api import QueueDepths
from schemas.objects import Workflow


def workflow_table(workflows: Sequence[Workflow]) -> Table:
    """Return one row a workflow."""
    table = Table("workflow", "made (UTC)", "priority", "ended", box=box.SIMPLE, pad_edge=False, header_style="dim")
    for workflow in workflows:
        made = datetime.fromtimestamp(workflow.timestamp, UTC)
        table.add_row(
            workflow.workflow_id, f"{made:%Y-%m-%d %H:%M:%S}", str(workflow.priority), workflow.deactivated or ""
        )
    return table


def depth_table(depths: QueueDepths) -> Table:
    """Return one row a queue, and the dead letters."""
    table = Table("queue", box=box.SIMPLE, pad_edge=False, header_style="dim")
    for column in ("waiting", "in work", "put off", "takers"):
        table.add_column(column, justify="right")
    table.add_column("id")
    for queue in depths.queues:
        table.add_row(
            Text(queue.alias, style="bold" if queue.is_public else ""),
            str(queue.n_ready),
            str(queue.n_unacknowledged),
            str(queue.n_delayed),
            str(queue.n_consumers),
            queue.mqid,
        )
    table.add_row(Text("dead letters", style="red" if depths.n_dead else "dim"), str(depths.n_dead), "", "", "", "")
    return table
