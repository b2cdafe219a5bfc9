"""Watch a launched tree: as a live drawing on a terminal, elsewhere as a line for each node that changes."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from ewms.cli.text.automation.trees import tree_lines
from ewms.cli.text.terminal.steps_display import StepsDisplay


def draw_tree(display: StepsDisplay, job: Mapping[str, Any], now: datetime) -> None:
    """Draw `job` on a terminal. Elsewhere, write what is new."""
    why = f": {job['job_explanation']}" if job["job_explanation"] else ""
    display.draw(tree_lines(job, now), _list_moved(job), f"{job['name']} is {job['status']}{why}")


def _list_moved(job: Mapping[str, Any]) -> Iterator[tuple[tuple[int, str], str]]:
    for node in job["graph"]["nodes"]:
        status = node["status"] or ""
        if status not in ("", "pending"):
            yield (node["id"], status), f"{node['name']}: {status}{', ' + node['why'] if node['why'] else ''}"
