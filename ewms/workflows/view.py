"""Show a workflow's progress: as one renderable for a terminal, or as one line for a log. (core)"""

from rich import box
from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from ewms.workflows.progress import Progress
from schemas.api.queues.profiles import QueueDepth
from schemas.explain.progress import EventsDone
from schemas.explain.worker_counts import WorkerCounts
from schemas.fleet.phases import Phase

_PHASE_STYLES = {
    Phase.CONDOR_SUBMIT: "green",
    Phase.CONDOR_COMPLETE: "dim",
    Phase.PENDING_STOPPER: "magenta",
    Phase.CONDOR_RM: "magenta",
}


def render_progress(progress: Progress) -> RenderableType:
    """Return the whole display for a terminal: headline, taskforces, queues, traffic, a bar, problems."""
    parts: list[RenderableType] = [_render_headline(progress), _taskforce_table(progress)]
    if progress.facts.depths is not None:
        parts.append(_queue_table(progress))
        if not progress.facts.state.over:
            parts.append(
                Text(f"the counts of queues are up to {progress.facts.depths.max_age_s:.0f} s old", style="dim")
            )
    parts += [part for part in (_describe_traffic(progress), _progress_bar(progress)) if part is not None]
    parts += [_describe_problem(problem.text, problem.command) for problem in progress.problems]
    if progress.next_step is not None:
        parts.append(Text.assemble(progress.next_step.text, "  → ", (progress.next_step.command, "bold cyan")))
    return Group(*parts)


def format_progress(progress: Progress, told: Progress | None = None) -> str:
    """Return the same facts as one line of text, for logs. `told` is the line before: its problems are not repeated."""
    return f"[{format_clock(progress.elapsed_s)}]  {describe_progress(progress, told)}"


def describe_progress(progress: Progress, told: Progress | None = None) -> str:
    """Return `progress` as one line of text without a time.

    `told` is the progress of the line before: problems that were in it are only counted.
    """
    state, depths = progress.facts.state, progress.facts.depths
    phases = ", ".join(f"{n} {phase}" for phase, n in state.phases.items())
    words = [
        progress.phase + ":",
        f"taskforces {phases}" if phases else "",
        f"workers {_describe_workers(WorkerCounts.from_statuses(state.workers)).plain or 'none'}",
    ]
    if depths is not None:
        queues = [_describe_queue(queue) for queue in depths.queues]
        words.append(f"queues up to {depths.max_age_s:.0f} s ago: {'; '.join(queues)}; {depths.n_dead} dead letters")
    if progress.done is not None:
        words.append(_describe_done(progress))
    if progress.eta_s is not None:
        words.append(f"about {format_clock(progress.eta_s)} left")
    if progress.received_per_s is not None:
        words.append(f"{progress.received_per_s:.1f}/s")
    known = told.problems if told is not None else ()
    words += [f"! {problem.text} -> {problem.command}" for problem in progress.problems if problem not in known]
    if (step := progress.next_step) is not None and (told is None or told.next_step != step):
        words.append(f"{step.text} -> {step.command}")
    if n_known := sum(problem in known for problem in progress.problems):
        words.append(f"! {n_known} problem(s) as before")
    return "  ".join(word for word in words if word)


def _describe_queue(queue: QueueDepth) -> str:
    """Return the counts of a queue in the words of the table's columns, without those that are zero."""
    counts = ((queue.n_unacknowledged, "in work"), (queue.n_delayed, "put off"))
    return ", ".join([f"{queue.alias} {queue.n_ready} waiting", *(f"{n} {word}" for n, word in counts if n)])


def _describe_done(progress: Progress) -> str:
    """Return how many events are done and failed, in the words that stand beside the bar."""
    done = progress.done
    assert done is not None
    return (
        f"{done.n_done} of {done.n_all} events "
        + ("done" if progress.facts.n_received is None else "returned")
        + (f", {done.n_failed} failed{_mark_made(done)}" if done.n_failed else "")
        + _mark_partial(done)
    )


def format_clock(seconds: float) -> str:
    """Return a duration as on a clock: "07:05", or "1:07:05" from an hour on."""
    minutes, rest = divmod(max(0, round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes:02}:{rest:02}"


def _render_headline(progress: Progress) -> Text:
    facts = progress.facts
    text = Text()
    if facts.title:
        text.append(f"{facts.title}  ", style="bold")
    text.append(facts.state.workflow.workflow_id, style="cyan")
    styles = {"running": "bold green", "stalled": "bold red", "failing": "bold red", "all failed": "bold red"}
    text.append(f"  {progress.phase}", style=styles.get(progress.phase, "bold"))
    if facts.ending is not None and facts.ending.reason:
        text.append(f": {facts.ending.reason}", style="bold red")
    if facts.ending is not None and not facts.state.workflow.deactivated:
        if facts.ending.inputs_closed_at is not None:
            text.append("  inputs closed", style="dim")
        elif facts.ending.expected_results is not None:
            text.append(f"  ends with {facts.ending.expected_results} result(s)", style="dim")
    if progress.elapsed_s:
        text.append(f"  {format_clock(progress.elapsed_s)}", style="dim")
    return text


def _taskforce_table(progress: Progress) -> Table:
    table = _make_table()
    # The task stands below the taskforce's id, so that a row with phase and workers fits on 80 columns.
    table.add_column("taskforce", overflow="fold", min_width=38)
    table.add_column("phase", no_wrap=True)
    table.add_column("workers", overflow="fold")
    state = progress.facts.state
    aliases = {queue.mqid: queue.alias for queue in progress.facts.depths.queues} if progress.facts.depths else {}
    tasks = {
        task.task_id: " → ".join(
            "+".join(aliases.get(mqid, mqid) for mqid in queues) or "·"
            for queues in (task.input_queues, task.output_queues)
        )
        for task in state.task_directives
    }
    for taskforce in state.taskforces:
        table.add_row(
            Text.assemble(taskforce.taskforce_uuid, "\n  ", (tasks.get(taskforce.task_id, ""), "dim")),
            Text(taskforce.phase, style=_PHASE_STYLES.get(taskforce.phase, "yellow")),
            _describe_workers(WorkerCounts.from_statuses(taskforce.compound_statuses)),
        )
    return table


def _describe_workers(workers: WorkerCounts) -> Text:
    counts = (
        (workers.idle, "idle", ""),
        # Those that take events are some of the running ones.
        (workers.running, f"running ({workers.taking} take events)" if workers.taking else "running", "green"),
        (workers.held, "held", "red"),
        (workers.gone, "gone", "dim"),
    )
    return Text(", ").join(Text(f"{n} {name}", style=style) for n, name, style in counts if n)


def _queue_table(progress: Progress) -> Table:
    table = _make_table("queue")
    for column in ("waiting", "in work", "put off", "consumers"):
        table.add_column(column, justify="right")
    # After one look, and when the workflow is over, there are no rates.
    has_rates = bool(progress.queue_per_s)
    if has_rates:
        table.add_column("change/s", justify="right")
    depths = progress.facts.depths
    assert depths is not None
    for queue in depths.queues:
        rate = progress.queue_per_s.get(queue.alias)
        table.add_row(
            Text(queue.alias, style="bold" if queue.is_public else ""),
            str(queue.n_ready),
            str(queue.n_unacknowledged),
            Text(str(queue.n_delayed), style="yellow" if queue.n_delayed else ""),
            str(queue.n_consumers),
            *(("" if rate is None else f"{rate:+.1f}",) if has_rates else ()),
        )
    style = "bold red" if depths.n_dead else "dim"
    table.add_row(Text("dead letters", style=style), Text(str(depths.n_dead), style=style))
    return table


def _describe_traffic(progress: Progress) -> Text | None:
    facts = progress.facts
    words = []
    for verb, n, rate in (
        ("sent", facts.n_sent, progress.sent_per_s),
        ("returned", facts.n_received, progress.received_per_s),
    ):
        if n is not None:
            words.append(f"{verb} {n}" + (f" ({rate:.1f}/s)" if rate else ""))
    return Text("   ".join(words)) if words else None


def _progress_bar(progress: Progress) -> Table | None:
    if progress.done is None:
        return None
    done = progress.done
    grid = Table.grid(padding=(0, 1))
    grid.add_row(
        ProgressBar(total=max(done.n_all, 1), completed=done.n_done, width=40),
        _describe_done(progress),
        f"{100 * done.n_done // done.n_all} %" if done.is_whole and done.n_all else "",
        "" if progress.eta_s is None else Text(f"about {format_clock(progress.eta_s)} left", style="dim"),
    )
    return grid


def _mark_made(done: EventsDone) -> str:
    # Of one event a task may make many, and each can fail: then done and failed do not add up to all.
    return " (with those made of them)" if done.n_done + done.n_failed > done.n_all else ""


def _mark_partial(done: EventsDone) -> str:
    # While more events may come, the number so far is not the total.
    return "" if done.is_whole else " so far"


def _describe_problem(text: str, command: str) -> Text:
    return Text.assemble(("! ", "bold red"), (text, "red"), "  → ", (command, "bold cyan"))


def _make_table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE, pad_edge=False, header_style="dim")
    for column in columns:
        table.add_column(column)
    return table
