"""Show the trace of an event as lines of the command, and the traced events as a table. (core)"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Final

from rich import box
from rich.table import Table
from rich.text import Text

from ewms.cli.text.events.failure_tables import attempt_lines, fold_attempts
from ewms.cli.text.terminal.plain import escape_controls
from schemas.api.event_trace import EventState, EventTrace, TracedEvent
from schemas.attempts.done_history import DoneAttempt, TracedFamily

_STATES: Final = {
    EventState.DEAD: ("failed for good", "red"),
    EventState.FAILED: ("attempts failed; it comes again, or it is done by now", "yellow"),
    EventState.DONE: ("done", "green"),
    EventState.UNREPORTED: ("no report: it waits or is in work; without a trace it may also be done", "dim"),
}


def trace_lines(trace: EventTrace) -> Iterator[Text]:
    """Yield the lines of a trace: the first parent first, each event deeper than the one that it was made from."""
    first = min((event.generation for event in trace.events), default=0)
    for event in trace.events:
        indent = "  " * (event.generation - first)
        for line in _event_lines(event):
            yield Text(indent) + line
    if trace.is_cut:
        yield Text("there is more: the trace has at most 200 relatives of an event, and the newest attempts", "dim")


def _event_lines(event: TracedEvent) -> Iterator[Text]:
    words, style = _STATES[event.state]
    if event.state is EventState.DEAD and event.generation == 0 and event.dead_letter is None:
        words = "was given up, and replayed or discarded since then"
    mark = "* " if event.generation == 0 else ""
    queue = f" in {event.alias or event.mqid}" if event.mqid else ""
    maker = f", made by {event.made_by}" if event.made_by else ""
    yield Text(escape_controls(f"{mark}{event.event_id}{queue}{maker}: "), "bold") + Text(words, style)
    if event.dead_letter is not None:
        letter = event.dead_letter
        reason = f"{letter.reason}: {letter.error}" if letter.error else letter.reason
        yield Text(escape_controls(f"  dead letter {letter.letter}, {reason}"), "red")
    if event.published_at is not None:
        yield Text(f"  published {_format_instant(event.published_at)}", "dim")
    for alike in fold_attempts(event.attempts):
        for line in attempt_lines(*alike):
            yield Text("  ") + line
    for done in event.done:
        for line in _done_lines(done):
            yield Text("  ") + line


def _done_lines(done: DoneAttempt) -> Iterator[Text]:
    """Yield the lines of an attempt that ended well: its place, how long each part of it took, and its outputs."""
    place = f"at {done.machine or 'an unknown machine'}"
    worker = "" if done.worker is None else f", worker {done.worker} of {done.taskforce_uuid}"
    yield Text(escape_controls(f"attempt {done.attempt} done {place}{worker}"), "green")
    waited = [] if done.published_at is None else [f"taken {_format_span(done.published_at, done.taken_at)} after it"]
    parts = (
        *waited,
        f"waited in the worker {_format_span(done.taken_at, done.started_at)}",
        f"ran {_format_span(done.started_at, done.ended_at)}",
        f"acknowledged {_format_span(done.ended_at, done.acknowledged_at)} later",
        f"at {_format_instant(done.acknowledged_at)}",
    )
    yield Text(f"  {', '.join(parts)}", "dim")
    if done.error:
        yield Text(escape_controls(f"  its outcome: {done.error}"), "red")
    for output in done.outputs:
        confirmed = _format_span(done.ended_at, output.confirmed_at)
        yield Text(escape_controls(f"  made {output.event_id} in {output.queue}, confirmed after {confirmed}"))


def family_table(families: Sequence[TracedFamily]) -> Table:
    """Return a table with a row for each traced event that no task made."""
    table = Table(box=box.SIMPLE, pad_edge=False, header_style="dim")
    table.add_column("event", no_wrap=True)
    table.add_column("key")
    table.add_column("events done", justify="right")
    table.add_column("first done (UTC)", no_wrap=True)
    table.add_column("took", justify="right")
    for family in families:
        table.add_row(
            escape_controls(family.root),
            Text(escape_controls(family.key)),
            str(family.n_events),
            _format_instant(family.first_at),
            _format_span(family.first_at, family.last_at),
        )
    return table


def _format_instant(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S}.{at.microsecond // 1000:03}"


def _format_span(start: datetime, end: datetime) -> str:
    """Return the seconds from `start` to `end`. The clocks of two machines may differ, so it may be less than 0."""
    return f"{(end - start).total_seconds():.3f} s"
