"""Write the page of all causes: docs/reference/causes.md. A test compares the page with the table."""

from collections.abc import Mapping

from schemas.causes.entry import CauseEntry
from schemas.causes.nodes import NODE_CAUSES
from schemas.causes.runs import RUN_CAUSES
from schemas.causes.starts import GATE_CAUSES, SCHEDULE_CAUSES
from schemas.causes.table import ABOUT_WORKERS, WORKFLOW_CAUSES

_HEAD = """# Causes

`ewms explain`, the routes `/explain` of workflows, processes, trees, schedules and subscriptions, and the web page say
why these stand as they do. These are all the causes that they know, written from `schemas/causes/table.py`.
Words in braces stand for values.

The severities, the most serious first: `blocked`: nothing moves while this lasts, and the remedy says what ends it and
who must act; `failing`: events or workers fail; `slowed`: work goes on, but slower than it could, or less than a user
expects; `passing`: it passes by itself; `note`: nothing is wrong.
"""

_COLUMNS = "| Cause | Severity | Text | What helps |\n|---|---|---|---|\n"


def write_page() -> str:
    """Return the page: a table for each part of the causes, with a row for each in the order of the table."""
    parts = {
        "Workflows on the fleet": WORKFLOW_CAUSES,
        "Processes and trees as a whole": RUN_CAUSES,
        "Steps of processes and nodes of trees": NODE_CAUSES,
        "Schedules": SCHEDULE_CAUSES,
        "Workflows on a subscription": GATE_CAUSES,
    }
    return _HEAD + "".join(f"\n## {title}\n\n{_write_table(causes)}" for title, causes in parts.items())


def _write_table(causes: Mapping[str, CauseEntry]) -> str:
    rows = [
        f"| `{cause}` | {entry.severity} | {_find_beginning(cause)}{entry.text} | {entry.remedy} |"
        for cause, entry in causes.items()
    ]
    return _COLUMNS + "\n".join(row.replace("dlq replay|discard", "dlq replay or discard") for row in rows) + "\n"


def _find_beginning(cause: str) -> str:
    """Return what comes before the text of a cause."""
    if cause in ABOUT_WORKERS:
        return "N worker(s) "
    return "NODE: " if cause in NODE_CAUSES else "WORKFLOW: " if cause in GATE_CAUSES and cause != "gates-open" else ""
