"""Show jobs on inventories as text: the table of a list, one job with its tasks, and its hosts. (core)"""

from collections.abc import Iterator, Mapping, Sequence

from rich.table import Table
from rich.text import Text

from ewms.cli.text.steps.processes import format_time, make_table
from ewms.cli.text.terminal.plain import escape_controls
from schemas.api.automation.jobs import JobHostSeen, JobLogPart, JobSeen, JobSummary, TaskListSeen

_STYLES = {
    "successful": "green",
    "ok": "green",
    "failed": "red",
    "error": "red",
    "canceled": "yellow",
    "skipped": "dim",
}
#: The statuses of a task of a job that has ended.
_TASK_OVER = ("successful", "failed", "error", "skipped", "canceled")


def _style_word(word: object) -> Text:
    return Text(str(word), style=_STYLES.get(str(word), ""))


def count_words(counts: Mapping[str, int]) -> str:
    """Return how many hosts are in each state, as words: `17 ok, 1 failed`."""
    return ", ".join(f"{n} {state}" for state, n in counts.items()) or "no host yet"


def job_table(jobs: Sequence[JobSummary]) -> Table:
    """Return a table with a row for each job."""
    table = make_table("id", "runs", "on", "status", "hosts", "by", "began")
    for one in jobs:
        place = f"{one.inventory_name} {one.limit}".strip()
        table.add_row(
            str(one.id),
            Text(one.title),
            Text(place),
            _style_word(one.status),
            count_words(one.hosts),
            Text(one.owner),
            format_time(one.created_at),
        )
    return table


def job_lines(job: JobSeen) -> Iterator[Text]:
    """Yield the lines about a job: its tasks in order, and what to type next."""
    yield Text.assemble((job.title, "bold"), f"  {job.id}  ", _style_word(job.status))
    limit = f", limit {job.limit}" if job.limit else ""
    batches = f" in {len(job.batches)} batches" if len(job.batches) > 1 else ""
    yield Text(f"  {job.n_hosts} hosts of {job.inventory_name}{limit}{batches}, {job.strategy}, by {job.owner}")
    if job.explanation:
        yield Text(f"  {escape_controls(job.explanation)}")
    for task in job.tasks:
        hosts = f"  {count_words(task.hosts)}" if task.hosts else ""
        yield Text.assemble(f"  {task.number}. {task.name}  ", _style_word(task.status), hosts)
    yield Text(f"  hosts: {count_words(job.hosts)}")
    if job.ended_at is not None and job.status not in ("successful", "canceled"):
        state = "failed" if job.hosts.get("failed") else "error"
        yield Text(f"  next: ewms job hosts {job.id} --state {state}; ewms job rerun {job.id}")


def list_ended_tasks(job: JobSeen) -> Iterator[tuple[int, str]]:
    """Yield the tasks of a job that have ended: their numbers, and a line about each."""
    for task in job.tasks:
        if task.status in _TASK_OVER:
            hosts = f": {count_words(task.hosts)}" if task.hosts else ""
            yield task.number, f"{task.number}. {task.name} {task.status}{hosts}"


def job_host_table(hosts: Sequence[JobHostSeen]) -> Table:
    """Return a table with a row for each host: its state, and what the last task has said."""
    table = make_table("host", "batch", "state", "last task", "exit", "reason")
    for host in hosts:
        last = host.results[-1] if host.results else None
        table.add_row(
            Text(host.name),
            str(host.batch),
            _style_word(host.state),
            Text("" if last is None else f"{last.task}. {last.name}"),
            "" if last is None or last.exit_status is None else str(last.exit_status),
            Text("" if last is None else last.reason),
        )
    return table


def task_list_table(lists: Sequence[TaskListSeen]) -> Table:
    """Return a table with a row for each saved list."""
    table = make_table("id", "name", "organization", "tasks", "strategy", "owner")
    for one in lists:
        tasks = ", ".join(map(str, one.tasks))
        table.add_row(str(one.id), Text(one.name), Text(one.organization), tasks, str(one.strategy), Text(one.owner))
    return table


class LogLines:
    """Makes whole lines of the pieces of a log. Several streams come at once, and pieces may end within a line.

    If `named`, each line begins with the host and the task's number.
    """

    def __init__(self, *, named: bool) -> None:
        self._named = named
        self._begun: dict[tuple[str, int, int, str], str] = {}

    def add_part(self, part: JobLogPart) -> str:
        """Return the lines that are whole now."""
        key = (part.host, part.task, part.attempt, part.stream)
        *lines, begun = (self._begun.pop(key, "") + part.text).split("\n")
        if begun:
            self._begun[key] = begun
        return "".join(self._format_line(key, line) for line in lines)

    def end_log(self) -> str:
        """Return the lines that have no end."""
        rest = "".join(self._format_line(key, line) for key, line in self._begun.items())
        self._begun.clear()
        return rest

    def _format_line(self, key: tuple[str, int, int, str], line: str) -> str:
        head = f"{key[0]} {key[1]} | " if self._named else ""
        return f"{head}{line}\n"
