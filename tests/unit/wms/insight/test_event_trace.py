"""The trace of one event: its relatives follow from the graph, and reports say what became of them."""

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from schemas.api.event_trace import EventState, TracedEvent
from schemas.attempts.dead_letters import DeadLetter
from schemas.attempts.done_history import DoneAttempt
from schemas.attempts.failed_history import Attempt
from schemas.fleet.documents import TaskDirectiveDocument
from schemas.ids import EventId, TaskId
from schemas.payloads.data_events import output_id
from tests.unit.wms.fleets import made, task_request
from wms.insight.event_relatives import Relative, find_maker, list_descendants
from wms.insight.event_trace import group_reports, trace_events

AT = datetime(2026, 11, 30, 8, tzinfo=UTC)
ROOT = EventId(str(uuid.UUID(int=7)))


def make_tasks() -> tuple[list[TaskDirectiveDocument], dict[str, str]]:
    """Return the tasks of in -> reco -> mid, log; mid -> fit -> out; and the mqids of the queues by alias."""
    new = made(
        task_request(input_queue_aliases=["in"], output_queue_aliases=["mid", "log"]),
        task_request(input_queue_aliases=["mid"], output_queue_aliases=["out"]),
        public_queue_aliases=["in", "out"],
    )
    return list(new.tasks), {queue.alias: queue.mqid for queue in new.workflow.queues}


def child(parent: EventId, task: TaskDirectiveDocument, index: int = 0) -> EventId:
    found = output_id(parent, TaskId(task.task_id), index)
    assert found is not None
    return found


def attempt(event_id: str, **members: Any) -> Attempt:
    texts = ("key", "task_id", "taskforce_uuid", "queue", "reason", "error", "signature", "last_lines", "site")
    given = dict.fromkeys((*texts, "machine", "slot", "pilot", "content_type", "digest"), "") | {
        "cursor": "1", "event_id": event_id, "attempt": 1, "gave_up": False, "exit_code": 1, "worker": None,
        "failed_at": AT, "took_s": 1.0, "n_bytes": 1, "excerpt": b"",
    }  # fmt: skip
    return Attempt(**given | members)


def done(event_id: str, **members: Any) -> DoneAttempt:
    given = dict.fromkeys(("taken_at", "started_at", "ended_at", "acknowledged_at"), AT) | {
        "cursor": "1", "event_id": event_id, "root": ROOT, "attempt": 1, "pilot": "p",
    }  # fmt: skip
    return DoneAttempt(**given | members)


def letter(event_id: str) -> DeadLetter:
    return DeadLetter(
        letter="0" * 20, event_id=event_id, key="", task_id="", queue="", reason="task-failed", error="", signature="",
        attempts=5, n_replays=0, worker="", dead_at=AT, n_bytes=1, content_type="", excerpt=b"",
    )  # fmt: skip


def trace(
    line: list[Relative],
    descendants: list[Relative],
    *attempts: Attempt,
    dead: DeadLetter | None = None,
    done: Sequence[DoneAttempt] = (),
) -> dict[str, TracedEvent]:
    found = trace_events(line, descendants, group_reports(attempts, done), letter=dead, aliases={})
    return {each.event_id: each for each in found}


def own(parent_id: str = "", mqid: str = "") -> Relative:
    return Relative(ROOT, 0, EventId(parent_id), TaskId(""), mqid)


def test_descendants_follow_from_the_graph_the_nearest_first() -> None:
    (reco, fit), queues = make_tasks()
    found, is_cut = list_descendants(ROOT, queues["in"], [reco, fit], 100)
    hit, log = child(ROOT, reco, 0), child(ROOT, reco, 1)
    assert [(each.event_id, each.generation, each.parent_id, each.mqid) for each in found] == [
        (hit, 1, ROOT, queues["mid"]),
        (log, 1, ROOT, queues["log"]),
        (child(hit, fit), 2, hit, queues["out"]),
    ]
    assert not is_cut
    assert list_descendants(ROOT, queues["out"], [reco, fit], 100) == ([], False), "no task takes from it"


def test_without_its_queue_any_task_may_have_taken_the_event() -> None:
    (reco, fit), _ = make_tasks()
    found, _ = list_descendants(ROOT, "", [reco, fit], 100)
    assert {each.event_id for each in found if each.generation == 1} == {
        child(ROOT, reco, 0), child(ROOT, reco, 1), child(ROOT, fit)
    }  # fmt: skip


def test_a_cycle_of_tasks_ends_at_the_limit_and_an_id_that_is_no_uuid_has_no_known_descendants() -> None:
    task = made(task_request(input_queue_aliases=["in"], output_queue_aliases=["in"])).tasks[0]
    found, is_cut = list_descendants(ROOT, task.input_queues[0], [task], 30)
    assert (len(found), is_cut) == (30, True)
    assert list_descendants(EventId("mine-1"), "", [task], 30) == ([], False)


def test_the_maker_of_an_event_is_the_task_whose_output_has_its_id() -> None:
    (reco, fit), queues = make_tasks()
    log = child(ROOT, reco, 1)
    assert find_maker(log, ROOT, [reco, fit]) == Relative(log, 0, ROOT, TaskId(reco.task_id), queues["log"])
    assert find_maker(log, EventId(str(uuid.UUID(int=8))), [reco, fit]) is None


@pytest.mark.parametrize(
    ("attempts", "dead", "state"),
    [
        ([], False, EventState.UNREPORTED),
        ([attempt(ROOT)], False, EventState.FAILED),
        ([attempt(ROOT), attempt(ROOT, cursor="2", gave_up=True)], False, EventState.DEAD),
        ([attempt(ROOT, gave_up=True), attempt(ROOT, cursor="2", n_replays=1)], False, EventState.FAILED),
        ([], True, EventState.DEAD),
    ],
)
def test_the_last_report_says_what_became_of_an_event(attempts: list[Attempt], dead: bool, state: EventState) -> None:
    found = trace([own()], [], *reversed(attempts), dead=letter(ROOT) if dead else None)[ROOT]
    assert found.state is state
    assert [one.cursor for one in found.attempts] == [one.cursor for one in attempts], "the oldest first"
    assert (found.dead_letter is not None) == dead


def test_an_event_from_which_another_was_made_is_done_and_only_reported_descendants_are_shown() -> None:
    (reco, fit), queues = make_tasks()
    descendants, _ = list_descendants(ROOT, queues["in"], [reco, fit], 100)
    hit = child(ROOT, reco, 0)
    result = child(hit, fit)
    found = trace([own(mqid=queues["in"])], descendants, attempt(ROOT), attempt(result, gave_up=True))
    assert {event_id: each.state for event_id, each in found.items()} == {
        ROOT: EventState.DONE, hit: EventState.DONE, result: EventState.DEAD
    }  # fmt: skip
    assert (found[result].parent_id, found[result].made_by) == (hit, fit.task_id)


def test_a_parent_is_done_because_the_event_is_there() -> None:
    parent = Relative(EventId("p"), -1, EventId(""), TaskId(""), "")
    found = trace([parent, own("p")], [], attempt("p"), attempt(ROOT), dead=letter(ROOT))
    assert list(found) == ["p", ROOT]
    assert (found["p"].state, found["p"].dead_letter) == (EventState.DONE, None)
    assert found[ROOT].state is EventState.DEAD


def test_an_event_that_a_worker_acknowledged_is_done_with_all_that_was_reported_of_it() -> None:
    (reco, fit), queues = make_tasks()
    descendants, _ = list_descendants(ROOT, queues["in"], [reco, fit], 100)
    result = child(child(ROOT, reco, 0), fit)
    found = trace(
        [own(mqid=queues["in"])],
        descendants,
        attempt(ROOT, published_at=AT),
        done=[done(result), done(ROOT, cursor="3", attempt=3), done(ROOT, cursor="2", attempt=2)],
    )
    assert {each.state for each in found.values()} == {EventState.DONE}
    assert result in found, "a report shows the event, and those on the way to it"
    assert (found[ROOT].published_at, found[result].published_at) == (AT, None)
    assert [len(found[ROOT].attempts), *(each.attempt for each in found[ROOT].done)] == [1, 2, 3]


def test_a_dead_letter_is_there_even_if_an_earlier_delivery_was_acknowledged() -> None:
    assert trace([own()], [], dead=letter(ROOT), done=[done(ROOT)])[ROOT].state is EventState.DEAD
