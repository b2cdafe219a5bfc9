"""Show the trace of an event as lines of the command. (core)"""

from collections.abc import Iterator
from typing import Final

from rich.text import Text

from ewms.cli.text.failure_tables import attempt_lines, fold_attempts
from ewms.cli.text.plain import escape_controls
from schemas.api.event_trace import EventState, EventTrace, TracedEvent

_STATES: Final = {
    EventState.DEAD: ("failed for good", "red"),
    EventState.FAILED: ("attempts failed; it comes again, or it is done by now", "yellow"),
    EventState.DONE: ("done", "green"),
    EventState.UNREPORTED: ("no failure is known: it waits, is in work, is done, or never was", "dim"),
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
    for alike in fold_attempts(event.attempts):
        for line in attempt_lines(*alike):
            yield Text("  ") + line
