"""All causes by their names, and how to fill in the values of one.

The text of a cause is written here and nowhere else. The watch for stalled workflows, the health of taskforces, the
command and the page all take it from this table.
"""

from collections.abc import Mapping
from typing import Any

from schemas.causes.entry import CauseEntry
from schemas.causes.failures import FAILURE_CAUSES
from schemas.causes.holds import HOLD_CAUSES
from schemas.causes.nodes import NODE_CAUSES
from schemas.causes.queues import QUEUE_CAUSES
from schemas.causes.runs import RUN_CAUSES
from schemas.causes.starts import GATE_CAUSES, SCHEDULE_CAUSES
from schemas.causes.workers import WORKER_CAUSES

#: The causes of workflows on the fleet. The other tables are those of processes, trees, schedules and subscriptions.
WORKFLOW_CAUSES: Mapping[str, CauseEntry] = {**QUEUE_CAUSES, **FAILURE_CAUSES, **HOLD_CAUSES, **WORKER_CAUSES}
CAUSES: Mapping[str, CauseEntry] = {
    **WORKFLOW_CAUSES,
    **RUN_CAUSES,
    **NODE_CAUSES,
    **SCHEDULE_CAUSES,
    **GATE_CAUSES,
}

#: The causes whose text goes on after `3 worker(s) `.
ABOUT_WORKERS = frozenset({*WORKER_CAUSES, *HOLD_CAUSES})


def write_text(cause: str, **values: Any) -> str:
    """Return the text of `cause` with its values."""
    return CAUSES[cause].text.format(**values)


def write_command(cause: str, **values: Any) -> str:
    """Return the command of `cause` with its values; "" if the cause has none."""
    return CAUSES[cause].command.format(**values)
