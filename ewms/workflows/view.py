"""Show a workflow's progress: as one renderable for a terminal, or as one line for a log. (core)"""

from rich import box
from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from ewms.workflows.progress import Progress, WorkerCounts
from schemas.phases import Phase
from schemas.progress import EventsDone

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
    parts += [part for part in (_describe_traffic(progress), _progress_bar(progress)) if part is not None]
    parts += [_describe_problem(problem.text, problem.command) for problem in progress.problems]
    return Group(*parts)


def format_progress(progress: Progress) -> str:
    """Return the same facts as one line of text, for logs."""
    workers = WorkerCounts.from_statuses(progress.facts.state.workers)
    words = [
        f"[{format_clock(progress.elapsed_s)}]",
        progress.phase + ":",
        " ".join(f"{phase}={n}" for phase, n in progress.facts.state.phases.items()),
        f"workers idle={workers.idle} running={workers.running} tasking={workers.tasking} held={workers.held}",
    ]
    if progress.facts.depths is not None:
        depths = progress.facts.depths
        words.append(
            "queues "
            + " ".join(
                f"{queue.alias}={queue.n_ready}+{queue.n_unacknowledged}"
                + (f"+{queue.n_delayed}" if queue.n_delayed else "")
                for queue in depths.queues
            )
            + f" dead={depths.n_dead}"
        )
    if progress.done is not None:
        failed = f" failed={progress.done.n_failed}" if progress.done.n_failed else ""
        words.append(f"events done={progress.done.n_done}/{progress.done.n_all}{failed}{_so_far(progress.done)}")
    if progress.eta_s is not None:
        words.append(f"about {format_clock(progress.eta_s)} left")
    if progress.received_per_s is not None:
        words.append(f"{progress.received_per_s:.1f}/s")
    words += [f"! {problem.text} -> {problem.command}" for problem in progress.problems]
    return "  ".join(word for word in words if word)


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
    styles = {"running": "bold green", "stalled": "bold red"}
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
        (workers.running, "running", ""),
        (workers.tasking, "tasking", "green"),
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
        f"{done.n_done} of {done.n_all} events "
        + ("done" if progress.facts.n_received is None else "returned")
        + (f", {done.n_failed} failed" if done.n_failed else "")
        + _so_far(done),
        f"{100 * done.n_done // done.n_all} %" if done.is_whole and done.n_all else "",
        "" if progress.eta_s is None else Text(f"about {format_clock(progress.eta_s)} left", style="dim"),
    )
    return grid


def _so_far(done: EventsDone) -> str:
    # While more events may come, the number so far is not the total.
    return "" if done.is_whole else " so far"


def _describe_problem(text: str, command: str) -> Text:
    return Text.assemble(("! ", "bold red"), (text, "red"), "  → ", (command, "bold cyan"))


def _make_table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE, pad_edge=False, header_style="dim")
    for column in columns:
        table.add_column(column)
    return table
