"""Make a cause of the table with its values, as answers have it."""

from typing import Any

from schemas.api.workflows.explanation import ExplainedCause
from schemas.causes.table import ABOUT_WORKERS, CAUSES, write_command, write_text


def name_cause(
    cause: str, n: int = 0, *, command: str | None = None, task: str = "", node: str = "", **values: Any
) -> ExplainedCause:
    """Return `cause` with its values. A text about workers begins with their number `n`, one about a node with its
    name `node`. `command` replaces its own.
    """
    text = write_text(cause, n=n, task=task, **values)
    before = f"{n} worker(s) " if cause in ABOUT_WORKERS else f"{node}: " if node else ""
    return ExplainedCause(
        cause=cause,
        severity=CAUSES[cause].severity,
        text=before + text,
        remedy=CAUSES[cause].remedy,
        command=write_command(cause, n=n, task=task, **values) if command is None else command,
        task_id=task,
        taskforce_uuid=values.get("taskforce", ""),
        node=node,
        n=n,
    )
