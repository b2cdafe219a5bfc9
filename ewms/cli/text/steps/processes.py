"""Show processes, subscriptions and pools of step workers as text. (core)"""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from schemas.api.processes import ProcessDetail, ProcessStep, ProcessSummary
from schemas.engine.processes import RESUMABLE, ProcessStatus, StepStatus
from schemas.engine.subscriptions import SubscriptionDocument

#: What a step's status looks like in front of its name.
MARKS: Mapping[StepStatus, tuple[str, str]] = {
    StepStatus.PENDING: ("·", "dim"),
    StepStatus.SUCCESS: ("✓", "green"),
    StepStatus.COMPLETE: ("✓", "green"),
    StepStatus.SKIPPED: ("-", "dim"),
    StepStatus.SUSPEND: ("?", "yellow"),
    StepStatus.WAITING: ("~", "yellow"),
    StepStatus.AWAITING_CALLBACK: ("…", "yellow"),
    StepStatus.FAILED: ("✗", "red"),
    StepStatus.ABORT: ("!", "red"),
}
#: A process that stands so goes on only if somebody retries it.
_FAILED = frozenset({ProcessStatus.FAILED, ProcessStatus.API_UNAVAILABLE, ProcessStatus.INCONSISTENT_DATA})
OVER = frozenset({ProcessStatus.COMPLETED, ProcessStatus.ABORTED})
#: `watch` looks no longer at a process that stands so.
SETTLED = OVER | _FAILED


def process_table(processes: Sequence[ProcessSummary]) -> Table:
    """Return a table with a row for each process."""
    table = make_table("process", "workflow", "status", "step", "by", "begun (UTC)")
    for one in processes:
        begun = format_time(one.started_at or one.created_at)
        table.add_row(
            one.process_id, one.workflow_name, str(one.status), Text(one.last_step or ""), Text(one.created_by), begun
        )
    return table


def process_lines(process: ProcessDetail, now: datetime) -> Iterator[Text]:
    """Yield the lines about a process: its steps with marks and times, why it waits or has failed, and what to type
    next.
    """
    yield Text.assemble(
        (process.workflow_name, "bold"), f"  {process.process_id}  ", (str(process.status), _style_of(process.status))
    )
    yield Text(f"started by {process.created_by}, {format_time(process.started_at or process.created_at)} UTC")
    for step in process.steps:
        mark, style = MARKS[step.status]
        attempt = f"  attempt {step.attempt}" if step.attempt > 1 else ""
        yield Text.assemble(f"  {mark} ", (step.name, style), format_took(step.started, step.completed, now), attempt)
        if step.status is StepStatus.FAILED:
            yield Text(f"      {describe_failure(step.state_delta)}", style="red")
        if step.progress is not None:
            yield Text(f"      progress: {json.dumps(step.progress)}")
        if step.explanation:
            yield Text(f"      {step.explanation}")
    for child in process.children:
        yield Text(f"  started {child.workflow_name}  {child.process_id}  {child.status}")
    for subscription in process.subscriptions:
        yield Text(f"  on subscription {subscription.subscription_id}")
    if process.note:
        yield Text(f"  note: {process.note}")
    if process.explanation and all(process.explanation != step.explanation for step in process.steps):
        yield Text(f"  {process.explanation}")
    yield Text(f"  next: {find_next_command(process)}")


def describe_failure(error: Mapping[str, object]) -> str:
    """Return an error of a step in one line: its class and its text."""
    return f"{error.get('class', 'error')}: {str(error.get('error', '')).strip() or 'without a text'}"


def find_next_command(process: ProcessDetail) -> str:
    """Return the command that is most useful for a process with this status."""
    own = process.process_id
    if process.status is ProcessStatus.SUSPENDED:
        return f"ewms process resume {own}    fills in the form of the step that waits"
    if process.status in _FAILED:
        return f"ewms process retry {own}    begins again at the step that failed"
    if process.status in OVER:
        listed = process.subscription_ids
        return f"ewms subscription workflows {listed[0]}" if listed else "ewms process list"
    if process.status in RESUMABLE:
        return f"ewms process watch {own}    it goes on by itself; `ewms process retry {own}` does not wait for that"
    return f"ewms process watch {own}"


def log_lines(process: ProcessDetail) -> Iterator[str]:
    """Yield what has happened to a process, the oldest first: every attempt of a step, and every action of a person."""
    steps = [
        (step.completed, f"{step.name}: {step.status}, attempt {step.attempt}{_name_failure(step)}")
        for step in process.steps
        if step.completed is not None
    ]
    acts = [(act.at, f"{act.act} by {act.who}{f': {act.why}' if act.why else ''}") for act in process.acts]
    for at, text in sorted([*steps, *acts], key=lambda pair: pair[0]):
        yield f"{format_time(at)}  {text}"


def _name_failure(step: ProcessStep) -> str:
    return f": {describe_failure(step.state_delta)}" if step.status is StepStatus.FAILED else ""


def subscription_table(subscriptions: Sequence[SubscriptionDocument]) -> Table:
    """Return a table with a row for each subscription."""
    table = make_table("subscription", "product", "status", "in sync", "customer", "description")
    for one in subscriptions:
        in_sync = "yes" if one.insync else "no"
        table.add_row(
            str(one.subscription_id),
            Text(one.product.name),
            str(one.status),
            in_sync,
            Text(one.customer_id),
            Text(one.description),
        )
    return table


def _style_of(status: ProcessStatus) -> str:
    if status is ProcessStatus.COMPLETED:
        return "green"
    return "red" if status in SETTLED else "yellow"


def format_took(started: datetime | None, ended: datetime | None, now: datetime) -> str:
    """Return for the end of a line how long something has taken so far. Return "" if it has not begun."""
    if started is None:
        return ""
    seconds = ((ended or now) - started).total_seconds()
    return f"  {max(seconds, 0):.1f} s"


def format_time(at: datetime) -> str:
    """Return a time in UTC, to the second."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def make_table(*columns: str) -> Table:
    """Return a table without rows."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def workflow_lines(groups: Mapping[str, Sequence[Mapping[str, object]]]) -> Iterator[str]:
    """Yield a line for each workflow on a subscription: that it may start now, or why it may not."""
    for target, workflows in groups.items():
        for one in workflows:
            yield f"{target:10} {one['name']}: {explain_obstacle(one)}"


def explain_obstacle(workflow: Mapping[str, object]) -> str:
    """Return the reason why the server does not let the workflow start now, or "may start"."""
    if "reason" not in workflow:
        return "may start"
    details = ", ".join(
        f"{name.replace('_', ' ')} {' '.join(map(str, value)) if isinstance(value, list) else value}"
        for name, value in workflow.items()
        if name not in ("name", "description", "reason")
    )
    return f"{workflow['reason']}" + (f" ({details})" if details else "")


def pool_table(pools: Sequence[Mapping[str, Any]]) -> Table:
    """Return a table with a row for each step worker."""
    table = make_table("pool", "worker", "since (UTC)", "runs", "offers")
    for pool in pools:
        for worker in pool["workers"]:
            since = format_time(datetime.fromisoformat(worker["since"]))
            offers = ", ".join(worker["workflows"])
            table.add_row(pool["name"], Text(worker["name"]), since, str(worker["n_running"]), offers)
        if not pool["workers"]:
            table.add_row(pool["name"], "none", "", "", "")
    return table
