"""Show a launched tree as text: each node below its parent, with its state, why it ran or did not, and how long.
(core)
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from rich.table import Table
from rich.text import Text

from ewms.cli.text.steps.processes import format_time, make_table

_MARKS: Mapping[str, tuple[str, str]] = {
    "pending": ("·", "dim"),
    "passed": ("-", "dim"),
    "successful": ("✓", "green"),
    "skipped": ("✓", "green"),
    "failed": ("✗", "red"),
    "error": ("✗", "red"),
    "canceled": ("!", "yellow"),
}
_ACTIVE = ("~", "yellow")
_STYLES = {"successful": "green", "failed": "red", "error": "red", "canceled": "yellow"}


def tree_table(jobs: Iterable[Mapping[str, Any]]) -> Table:
    """Return a table with a row for each launched tree."""
    table = make_table("job", "template", "status", "by", "began (UTC)", "explanation")
    for job in jobs:
        status = str(job["status"])
        by = job["summary_fields"].get("created_by", {}).get("username", "")
        table.add_row(
            str(job["id"]),
            Text(str(job["name"])),
            Text(status, style=_STYLES.get(status, "")),
            Text(str(by)),
            format_time(datetime.fromisoformat(job["created"])),
            Text(str(job["job_explanation"])),
        )
    return table


def tree_lines(job: Mapping[str, Any], now: datetime) -> Iterator[Text]:
    """Yield the lines about a tree. A node with several parents is shown below the first, and named below the
    others.
    """
    status = str(job["status"])
    yield Text.assemble((str(job["name"]), "bold"), f"  job {job['id']}  ", (status, _STYLES.get(status, "")))
    if job["job_explanation"]:
        yield Text(f"  {job['job_explanation']}")
    nodes = {node["id"]: node for node in job["graph"]["nodes"]}
    below: dict[int, list[tuple[str, int]]] = {number: [] for number in nodes}
    for edge in job["graph"]["edges"]:
        below[edge["source"]].append((edge["kind"], edge["target"]))
    targets = {edge["target"] for edge in job["graph"]["edges"]}
    shown: set[int] = set()
    stack = [("", "", number) for number in reversed(list(nodes)) if number not in targets]
    while stack:
        indent, kind, number = stack.pop()
        node = nodes[number]
        if number in shown:
            yield Text(f"  {indent}{kind} {node['name']}, above", style="dim")
            continue
        shown.add(number)
        yield _node_line(indent, kind, node, now)
        stack += [(f"{indent}  ", f"{kind}:", child) for kind, child in reversed(below[number])]


def _node_line(indent: str, kind: str, node: Mapping[str, Any], now: datetime) -> Text:
    mark, style = _MARKS.get(node["status"] or "", _ACTIVE)
    job = "" if node["job"] is None else f"  job {node['job']}"
    line = Text.assemble(f"  {indent}{mark} ", (f"{kind} " if kind else "", "dim"), (str(node["name"]), style))
    line.append(f"  {node['status'] or ''}{_format_took(node, now)}{job}")
    if node["why"]:
        line.append(f"  {node['why']}", style="dim")
    return line


def _format_took(node: Mapping[str, Any], now: datetime) -> str:
    if node["started"] is None or node["status"] in ("pending", "passed"):
        return ""
    begun = datetime.fromisoformat(node["started"])
    ended = now.astimezone(UTC) if node["finished"] is None else datetime.fromisoformat(node["finished"])
    return f" {max(0.0, (ended - begun).total_seconds()):.1f} s"


def notification_lines(notifications: Iterable[Mapping[str, Any]]) -> Iterator[Text]:
    """Yield a line for each notification: whether it was sent, where to, what it says, and why it failed."""
    for each in notifications:
        status = str(each["status"])
        mark, style = _MARKS.get(status, _ACTIVE)
        yield Text.assemble((f"{mark} ", style), f"{each['id']}  ", (status, style), f"  to {each['recipients']}")
        yield Text(f"    {each['subject']}")
        for fault in (each["error"], each["message_fault"]):
            if fault:
                yield Text(f"    {fault}")
