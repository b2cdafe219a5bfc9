"""Show schedules as text. (core)"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from ewms.cli.text.steps.processes import make_table


def schedule_table(schedules: Sequence[Mapping[str, Any]]) -> Table:
    """Return a table with a row for each schedule."""
    table = make_table("schedule", "name", "template", "next (UTC)", "last")
    for one in schedules:
        table.add_row(
            str(one["id"]), Text(one["name"]), Text(_name_template(one)), _format_next(one), Text(_describe_last(one))
        )
    return table


def schedule_lines(schedule: Mapping[str, Any], following: Sequence[str]) -> Iterator[Text]:
    """Yield the lines about a schedule. `following` are its next times."""
    yield Text.assemble((schedule["name"], "bold"), f"  schedule {schedule['id']}  of {_name_template(schedule)}")
    yield Text(f"  {schedule['rrule']}")
    yield Text(f"  next: {_format_next(schedule)}{'' if schedule['next_run'] is None else ' UTC'}")
    for at in following:
        yield Text(f"    {at}")
    if (deadline_s := schedule.get("start_deadline_s")) is not None:
        yield Text(f"  skips an occurrence that comes more than {deadline_s} s late")
    if schedule.get("skip_if_running"):
        yield Text("  skips an occurrence while an earlier job of it is not over")
    if last := _describe_last(schedule):
        is_refused = schedule["last_occurrence"]["job"] is None
        yield Text(f"  last: {last}", style="red" if is_refused else "")


def _name_template(schedule: Mapping[str, Any]) -> str:
    return str(schedule["summary_fields"].get("unified_job_template", {}).get("name", "no template"))


def _format_next(schedule: Mapping[str, Any]) -> str:
    if not schedule["enabled"]:
        return "disabled"
    at = schedule["next_run"]
    return "none is left" if at is None else str(at)[:19].replace("T", " ")


def _describe_last(schedule: Mapping[str, Any]) -> str:
    last = schedule["last_occurrence"]
    if last is None:
        return ""
    skipped = f", {last['skipped']} before it skipped" if last["skipped"] else ""
    what = f"did not launch: {last['refusal']}" if last["job"] is None else f"job {last['job']}"
    return f"{str(last['at'])[:19].replace('T', ' ')} UTC {what}{skipped}"
