"""What `ewms trace` prints of an event and its relatives."""

import io
from datetime import UTC, datetime, timedelta

from rich.console import Console

from ewms.cli.text.events.traces import family_table, trace_lines
from schemas.api.event_trace import EventState, EventTrace, TracedEvent
from schemas.attempts.done_history import DoneAttempt, TracedFamily, TracedOutput
from schemas.attempts.failed_history import Attempt

ATTEMPT = Attempt(
    cursor="1", event_id="e", key="", attempt=5, gave_up=True, task_id="TK-1", taskforce_uuid="TF-1", queue="a1",
    reason="task-failed", error="ValueError: bad\x1b[2J 17", signature="", last_lines="Traceback", exit_code=137,
    site="", machine="node7", slot="", worker=3, pilot="p", failed_at=datetime(2026, 11, 30, 8, tzinfo=UTC), took_s=1.0,
    n_bytes=1, content_type="", digest="", excerpt=b"",
)  # fmt: skip


def event(event_id: str, generation: int, state: EventState, *attempts: Attempt) -> TracedEvent:
    return TracedEvent(
        event_id=event_id, generation=generation, parent_id="", made_by="TK-1" if generation > -1 else "",
        mqid="a1", alias="hits", state=state, attempts=list(attempts),
    )  # fmt: skip


def shown(*events: TracedEvent, is_cut: bool = False) -> list[str]:
    trace = EventTrace(workflow_id="WF", event_id="e", events=[*events], is_cut=is_cut)
    return [line.plain for line in trace_lines(trace)]


def test_a_child_is_deeper_than_its_parent_and_the_event_itself_is_marked() -> None:
    lines = shown(event("p", -1, EventState.DONE), event("e", 0, EventState.FAILED), event("c", 1, EventState.DEAD))
    assert lines == [
        "p in hits: done",
        "  * e in hits, made by TK-1: attempts failed; it comes again, or it is done by now",
        "    c in hits, made by TK-1: failed for good",
    ]


def test_attempts_have_place_exit_and_last_lines_and_no_escape_sequence_of_the_task() -> None:
    text = "\n".join(shown(event("e", 0, EventState.DEAD, ATTEMPT)))
    assert "was given up, and replayed or discarded since then" in text
    assert "at node7, worker 3 of TF-1, exit code 137 (SIGKILL)" in text
    assert "  | Traceback" in text
    assert "\x1b" not in text


def test_an_unknown_event_and_a_cut_trace_say_so() -> None:
    (unknown, cut) = shown(event("e", 0, EventState.UNREPORTED), is_cut=True)
    assert unknown.endswith("no report: it waits or is in work; without a trace it may also be done")
    assert cut.startswith("there is more")


AT = datetime(2026, 11, 30, 8, tzinfo=UTC)


def after(seconds: float) -> datetime:
    return AT + timedelta(seconds=seconds)


DONE = DoneAttempt(
    cursor="1", event_id="e", root="e", attempt=1, pilot="p", machine="node7\x1b[2J", worker=3, taskforce_uuid="TF-1",
    published_at=AT, taken_at=after(2.5), started_at=after(2.6), ended_at=after(4), acknowledged_at=after(4.01),
    outputs=(TracedOutput(queue="a2", event_id="o", confirmed_at=after(4.009)),),
)  # fmt: skip


def test_a_done_attempt_shows_how_long_each_part_of_it_took_and_what_it_made() -> None:
    lines = shown(event("e", 0, EventState.DONE).model_copy(update={"done": [DONE], "published_at": AT}))
    assert lines[1] == "  published 2026-11-30 08:00:00.000"
    assert lines[2].startswith("  attempt 1 done at node7")
    assert lines[2].endswith(", worker 3 of TF-1")
    assert "\x1b" not in lines[2]
    times, output = lines[3:]
    assert times.strip() == (
        "taken 2.500 s after it, waited in the worker 0.100 s, ran 1.400 s, acknowledged 0.010 s later, "
        "at 2026-11-30 08:00:04.010"
    )
    assert output.strip() == "made o in a2, confirmed after 0.009 s"


def test_traced_events_are_a_table_with_how_much_was_made_from_each() -> None:
    family = TracedFamily(root="e", key="k\x1b[2J", n_events=3, first_at=AT, last_at=after(1.5))
    written = io.StringIO()
    Console(file=written, width=200).print(family_table([family]))
    assert "\x1b[2J" not in written.getvalue()
    row = written.getvalue().rstrip().splitlines()[-1].split()
    assert (row[0], row[2], row[-2:]) == ("e", "3", ["1.500", "s"])
