"""Show catalogue tasks as text: the table of a list, one task with its versions, and Craton's table. (core)"""

from collections.abc import Iterator, Sequence

from rich.table import Table
from rich.text import Text

from ewms.cli.text.steps.processes import format_time, make_table
from ewms.cli.text.terminal.plain import escape_controls
from schemas.api.automation.tasks import TaskSeen, TaskSummary, TaskVersionSeen
from schemas.automation.builds import SyncState
from schemas.automation.catalogue import TaskStatus, TaskVisibility
from schemas.rules.sizes import print_size

_STYLES = {
    TaskStatus.READY: "green",
    TaskStatus.FAILED: "red",
    TaskStatus.REJECTED: "red",
    TaskStatus.DISABLED: "dim",
    TaskStatus.PENDING_APPROVAL: "yellow",
}
_SHORT_COMMIT = 12
#: The columns of Craton's `task-show`, in its order, and the title of each.
_CRATON_COLUMNS = ("id", "name", "location", "command", "visibility", "approved by", "Status")


def task_table(tasks: Sequence[TaskSummary]) -> Table:
    """Return a table with a row for each task."""
    table = make_table("id", "name", "organization", "location", "visibility", "version", "status")
    for one in tasks:
        version = str(one.ready_version or one.latest_version)
        if one.ready_version not in (None, one.latest_version):
            version += f" (version {one.latest_version} is {one.latest_status})"
        table.add_row(
            str(one.id),
            Text(one.name),
            Text(one.organization),
            Text(one.location),
            Text(_visibility_words(one)),
            version,
            Text(str(one.status), style=_STYLES.get(one.status, "")),
        )
    return table


def _visibility_words(task: TaskSummary) -> str:
    return ", ".join(task.roles) if task.visibility is TaskVisibility.ROLES else str(task.visibility)


def task_lines(task: TaskSeen) -> Iterator[Text]:
    """Yield the lines about a task: where it lives, its versions, and what to type next."""
    yield Text.assemble((task.name, "bold"), f"  {task.id}  ", (str(task.status), _STYLES.get(task.status, "")))
    if task.description:
        yield Text(f"  {task.description}")
    yield Text(f"  of {task.owner} in {task.organization}, for {_visibility_words(task)}")
    yield Text(f"  lives in {task.location}")
    if task.reason:
        yield Text(f"  {task.reason}")
    if task.look and task.look != task.reason:
        yield Text(f"  last look at the source: {task.look}")
    for version in task.versions:
        yield from _version_lines(version, is_used=version.number == task.ready_version)
    if command := find_next_command(task):
        yield Text(f"  next: {command}")


def _version_lines(version: TaskVersionSeen, *, is_used: bool) -> Iterator[Text]:
    head = f"  version {version.number}  "
    commit = version.commit.removeprefix("sha256:")[:_SHORT_COMMIT] or "no commit yet"
    used = "  in use" if is_used else ""
    yield Text.assemble(head, (str(version.status), _STYLES.get(version.status, "")), f"  {commit}{used}")
    if version.commit_subject:
        yield Text(f"      {version.commit_subject} ({version.commit_author})")
    if version.reason:
        yield Text(f"      {version.reason}")
    if version.decided_by and version.decided_at is not None and version.status is not TaskStatus.REJECTED:
        why = f": {version.decision}" if version.decision else ""
        yield Text(f"      approved by {version.decided_by}, {format_time(version.decided_at)} UTC{why}")
    if version.digest:
        yield Text(f"      {version.digest}, {print_size(version.size_bytes)}")
    for name, sync in version.locations.items():
        if version.status is TaskStatus.SYNCING or sync.state is SyncState.UNREACHABLE:
            yield Text(f"      {name}: {sync.state}{f': {sync.reason}' if sync.reason else ''}")


def describe_commit(version: TaskVersionSeen) -> str:
    """Return a version's commit and what it says of itself, in one line that no terminal obeys."""
    told = f" {version.commit_subject} ({version.commit_author})" if version.commit_subject else ""
    return escape_controls(" ".join(f"{version.commit}{told}".split()))


def find_next_command(task: TaskSeen) -> str:
    """Return the command that helps next; "" if there is none."""
    match task.versions[0].status:
        case TaskStatus.PENDING_APPROVAL if task.versions[0].commit:
            return f"ewms catalogue approve {task.id} --commit {task.versions[0].commit}"
        case TaskStatus.BUILDING | TaskStatus.SYNCING:
            return f"ewms catalogue log {task.id} --follow"
        case TaskStatus.FAILED:
            return f"ewms catalogue rebuild {task.id}"
        case _:
            return ""


def craton_table(task: TaskSeen) -> str:
    """Return Craton's table of one task: one wide row between lines of dashes, with the status in its last column."""
    used = next((each for each in task.versions if each.number == task.ready_version), task.versions[0])
    cells = (
        str(task.id),
        task.name,
        task.location,
        " ".join(used.command),
        _visibility_words(task),
        used.decided_by if used.status is not TaskStatus.REJECTED else "",
        str(task.status),
    )
    plain = [" ".join(cell.split()) for cell in cells]
    widths = [max(len(title), len(cell)) for title, cell in zip(_CRATON_COLUMNS, plain, strict=True)]
    rows = [_join_cells(row, widths) for row in (_CRATON_COLUMNS, plain)]
    line = "-" * len(rows[0])
    return "\n".join((line, rows[0], line, rows[1], line))


def _join_cells(cells: Sequence[str], widths: Sequence[int]) -> str:
    return f"| {' | '.join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True))} |"
