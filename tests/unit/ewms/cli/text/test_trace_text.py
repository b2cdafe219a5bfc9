"""What `ewms trace` prints of an event and its relatives."""

from datetime import UTC, datetime

from ewms.cli.text.trace_text import trace_lines
from schemas.api.event_trace import EventState, EventTrace, TracedEvent
from schemas.failures.history import Attempt

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
    assert unknown.endswith("no failure is known: it waits, is in work, is done, or never was")
    assert cut.startswith("there is more")
