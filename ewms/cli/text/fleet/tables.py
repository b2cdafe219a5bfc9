"""Show workflows, tasks, taskforces, queues and logs as tables of the command. (core)"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from schemas.api.queries import WorkflowFound
from schemas.api.queues.profiles import QueueDepths
from schemas.api.workflows.health import Stall, TaskforceHealth
from schemas.api.workflows.requests import ClusterLocation
from schemas.explain.task_names import name_task
from schemas.fleet.endings import outcome_words
from schemas.fleet.objects import TaskDirective, Taskforce
from schemas.fleet.pilot_kills import EVENTS_OF_KILLED, describe_kills

if TYPE_CHECKING:
    from ewms.workflows.worker_logs import LogInfo

#: How many characters of its tasks' names a list shows of a workflow, so that a row fits on 80 columns.
_MAX_TASKS = 24


def workflow_table(workflows: Sequence[WorkflowFound], tasks: Sequence[TaskDirective], *, wide: bool = False) -> Table:
    """Return a table with a row for each workflow. It names the outcome as `ewms workflow show` does.

    `tasks` are the workflows' tasks: a workflow has no name, so its tasks show which one it is.
    """
    table = make_table()
    for column in ("workflow", "made (UTC)", "priority", "outcome"):
        table.add_column(column, no_wrap=column != "outcome")
    if wide:
        table.add_column("tasks", no_wrap=True)
    names: dict[str, list[str]] = {}
    for task in tasks:
        names.setdefault(task.workflow_id, []).append(name_task(task))
    for workflow in workflows:
        outcome = workflow.outcome or outcome_words(workflow.deactivated, None)
        made, priority = _format_time(workflow.timestamp), str(workflow.priority)
        what = ", ".join(dict.fromkeys(names.get(workflow.workflow_id, [])))
        if wide:
            table.add_row(workflow.workflow_id, made, priority, outcome, Text(what))
            continue
        shown = what if len(what) <= _MAX_TASKS else f"{what[: _MAX_TASKS - 1]}…"
        name = Text.assemble(workflow.workflow_id, *((("\n  " + shown, "dim"),) if shown else ()))
        table.add_row(name, made, priority, outcome)
    return table


def cluster_table(clusters: Sequence[ClusterLocation]) -> Table:
    """Return a table with a row for each cluster location. If any has aliases or is drained, a column says so."""
    aliases: dict[str, list[str]] = {}
    for cluster in clusters:
        if cluster.alias_of:
            aliases.setdefault(cluster.alias_of, []).append(cluster.name)
    table = make_table()
    for column in ("cluster", "schedd", *(("aliases",) if aliases else ())):
        table.add_column(column, overflow="fold")
    # How many workers a task gets that does not say how many it wants.
    table.add_column("workers by default", justify="right")
    if any(cluster.drain for cluster in clusters):
        table.add_column("drained", overflow="fold")
    for cluster in clusters:
        if not cluster.alias_of:
            others = (Text(", ".join(aliases.get(cluster.name, []))),) if aliases else ()
            drained = (Text(cluster.drain.sentence),) if cluster.drain else ()
            table.add_row(Text(cluster.name), Text(cluster.schedd), *others, str(cluster.n_workers), *drained)
    return table


def taskforce_table(taskforces: Sequence[Taskforce], *, wide: bool = False) -> RenderableType:
    """Return a table with a row for each taskforce: its phase and its workers. The errors are below the table."""
    if wide:
        table = make_table(
            "taskforce", "task", "schedd", "cluster", "phase", "workers", "job and pilot statuses", "errors"
        )
        for one in taskforces:
            errors = Text("; ".join(_error_lines(one)), style="red")
            statuses = Text(", ".join(_status_lines(one)))
            cluster = _format_count(one.cluster_id)
            workers = _format_count(one.n_workers)
            schedd = Text(one.schedd)
            table.add_row(one.taskforce_uuid, one.task_id, schedd, cluster, one.phase, workers, statuses, errors)
        return table
    table = make_table()
    table.add_column("taskforce", overflow="fold", min_width=38)
    table.add_column("phase", no_wrap=True)
    table.add_column("workers", overflow="fold")
    for one in taskforces:
        place = f"cluster {one.cluster_id} of {one.schedd}" if one.cluster_id is not None else f"at {one.schedd}"
        table.add_row(
            Text.assemble(one.taskforce_uuid, "\n  ", (place, "dim")),
            str(one.phase),
            Text("\n".join(_status_lines(one)) or f"{_format_count(one.n_workers)} wanted".lstrip()),
        )
    problems = [
        Text.assemble(one.taskforce_uuid, ": ", (error, "red")) for one in taskforces for error in _error_lines(one)
    ]
    return Group(table, *problems)


def health_lines(health: TaskforceHealth) -> list[Text]:
    """Return a line for each problem of a taskforce, and a line about how its pilots ended."""
    lines = []
    if health.stuck:
        lines.append(Text(f"stuck: {health.stuck}", style="red"))
    if health.unmatched:
        lines.append(Text(f"no worker can start: {health.unmatched}", style="red"))
    if health.stale:
        lines.append(
            Text(f"the statuses are of {health.status_as_of}: the TMS has reported nothing since", style="yellow")
        )
    if health.exit_codes:
        ends = ", ".join(f"{n} with {_describe_exit(code)}" for code, n in health.exit_codes.items())
        lines.append(Text(f"pilots that ended: {ends}"))
    return [*lines, *kill_lines(health)]


def kill_lines(health: TaskforceHealth) -> list[Text]:
    """Return a line for each signal that ended pilots of a taskforce: how often, when last, and on which workers. Then
    a line says what is known of their events.
    """
    lines = [Text(describe_kills(kills), style="yellow") for kills in health.kills]
    return [*lines, Text(EVENTS_OF_KILLED, style="dim")] if lines else []


def missing_lines(uuid: str, health: TaskforceHealth) -> list[Text]:
    """Return lines on a taskforce's workers: how many are at work, why others are not, which signals ended pilots."""
    killed = [Text("  ").append_text(line) for line in kill_lines(health)]
    if health.ended:
        return [Text(f"{uuid}: {health.ended}"), *killed]
    lines = [Text(f"{uuid}: {health.n_at_work} of {health.n_wanted} worker(s) take events")]
    for one in health.missing:
        style = "yellow" if one.is_coming else "red"
        lines.append(
            Text.assemble("  ", (f"{one.n_workers} worker(s) {one.text}", style), "\n    → ", (one.command, "cyan"))
        )
    return [*lines, *killed]


def stall_lines(stall: Stall) -> list[Text]:
    """Return a line for each cause of a stall, with the next command."""
    return [Text.assemble((cause.sentence, "red"), "\n    → ", (cause.command, "cyan")) for cause in stall.causes]


def advice_line(text: str, command: str) -> Text:
    """Return a line that says what to do next."""
    return Text.assemble(text, "\n    → ", (command, "cyan"))


def phase_table(taskforce: Taskforce) -> Table:
    """Return a table with a row for each change of the taskforce's phase, also those that failed."""
    table = make_table()
    table.add_column("at (UTC)", no_wrap=True)
    table.add_column("to", no_wrap=True)
    table.add_column("by and why", overflow="fold")
    for change in taskforce.phase_change_log:
        failed = Text("" if change.was_successful else "\nfailed", style="red")
        why = Text(f": {change.context}" if change.context else "")
        table.add_row(
            _format_time(change.timestamp),
            Text.assemble(change.target_phase, failed),
            Text.assemble(change.source_entity, why),
        )
    return table


def task_table(tasks: Sequence[TaskDirective], aliases: Mapping[str, str], *, wide: bool = False) -> Table:
    """Return a table with a row for each task. `aliases` gives the alias of a queue by its id."""
    table = make_table()
    table.add_column("task", overflow="fold", min_width=29)
    for column in ("takes from", "publishes onto"):
        table.add_column(column, overflow="fold")
    for column in ("runs at", "image", "arguments") if wide else ():
        table.add_column(column)
    for task in tasks:
        queues = [
            Text(", ".join(aliases.get(mqid, mqid) for mqid in mqids))
            for mqids in (task.input_queues, task.output_queues)
        ]
        place = ", ".join(task.cluster_locations)
        if wide:
            table.add_row(task.task_id, *queues, Text(place), Text(task.task_image), Text(task.task_args))
        else:
            table.add_row(Text.assemble(task.task_id, "\n  ", (f"at {place}", "dim")), *queues)
    return table


def log_table(logs: "Sequence[LogInfo]") -> Table:
    """Return a table with a row for each log of a worker."""
    table = make_table()
    table.add_column("taskforce", no_wrap=True)
    table.add_column("log", no_wrap=True)
    table.add_column("bytes", justify="right")
    table.add_column("written (UTC)")
    for log in logs:
        table.add_row(log.taskforce_uuid, log.name, str(log.n_bytes), f"{log.modified_at:%m-%d %H:%M}")
    return table


def secret_table(found: Sequence[Mapping[str, Any]]) -> Table:
    """Return a table with a row for each secret, without its value."""
    table = make_table("name", "open to", "changed at", "changed by")
    for each in found:
        table.add_row(each["name"], each.get("open_to", ""), str(each["changed_at"]), each["changed_by"])
    return table


def depth_table(depths: QueueDepths, *, wide: bool = False) -> Table:
    """Return a table with a row for each queue, and a row for the dead letters."""
    table = make_table()
    table.add_column("queue", overflow="fold")
    for column in ("waiting", "in work", "put off", "consumers"):
        table.add_column(column, justify="right")
    if wide:
        table.add_column("id")
    for queue in depths.queues:
        table.add_row(
            Text(queue.alias, style="bold" if queue.is_public else ""),
            str(queue.n_ready),
            str(queue.n_unacknowledged),
            str(queue.n_delayed),
            str(queue.n_consumers),
            *((queue.mqid,) if wide else ()),
        )
    table.add_row(Text("dead letters", style="red" if depths.n_dead else "dim"), str(depths.n_dead))
    return table


def _format_count(number: int | None) -> str:
    return "" if number is None else str(number)


def _status_lines(taskforce: Taskforce) -> list[str]:
    return [
        f"{n} {job}" + ("" if pilot == "null" else f" / {pilot}")
        for job, pilots in taskforce.compound_statuses.items()
        for pilot, n in pilots.items()
    ]


def _error_lines(taskforce: Taskforce) -> list[str]:
    failures = [change for change in taskforce.phase_change_log if not change.was_successful]
    tries = (
        [f"{len(failures)} failed attempt(s) at {failures[-1].target_phase}: {failures[-1].context}"]
        if failures
        else []
    )
    return [*tries, *(f"{n} worker(s): {error}" for error, n in taskforce.top_task_errors.items())]


def _describe_exit(code: str) -> str:
    return f"signal {code[1:]}" if code.startswith("-") else f"exit code {code}"


def _format_time(timestamp: float) -> str:
    return f"{datetime.fromtimestamp(timestamp, UTC):%Y-%m-%d %H:%M:%S}"


def make_table(*columns: str) -> Table:
    """Return an empty table in the style of the command."""
    return Table(*columns, box=box.SIMPLE, pad_edge=False, header_style="dim")
