"""What failed over REST: MQS is asked for what was asked for, and what makes no sense is refused before."""

import uuid
from datetime import UTC, datetime
from typing import Any

import pytest

from schemas.api.event_trace import EventState, EventTrace
from schemas.attempts.dead_letters import (
    LetterAction,
    LetterBodyAnswer,
    LetterBodyQuery,
    LettersAnswer,
    LettersDone,
    LettersOrder,
    LettersQuery,
)
from schemas.attempts.done_history import DoneAttempt, TracedFamiliesAnswer, TracedFamily
from schemas.attempts.failed_history import Attempt, AttemptsAnswer, AttemptsQuery, ErrorGroupsAnswer
from schemas.ids import EventId, TaskId
from schemas.payloads.data_events import output_id
from tests.integration.wms.conftest import World


async def test_questions_and_orders_reach_mqs_with_their_filters_and_the_callers_name(world: World) -> None:
    workflow_id = (await world.submit())["workflow"]["workflow_id"]
    of_it = f"/v1/workflows/{workflow_id}"
    world.mqs.told = {
        "attempts": AttemptsAnswer(attempts=[], next_before=None),
        "error-groups": ErrorGroupsAnswer(groups=[]),
        "dead-letters": LettersAnswer(letters=[], next_after="x", n_letters=3),
        "dead-letters-order": LettersDone(n_done=2, n_missing=0, n_left=1),
    }
    assert (await world.get(f"{of_it}/errors")).json() == {"errors": []}
    assert (await world.get(f"{of_it}/failed-attempts?event_id=e&limit=5")).json()["next_before"] is None
    assert (await world.get(f"{of_it}/dead-letters/whole?signature=s&after=x")).json()["n_letters"] == 3
    replay = {"task_id": "TK", "signature": "s"}
    done = (await world.post(f"{of_it}/dead-letters/actions/replay", replay)).json()
    assert (done["n_done"], done["n_left"], done["stopped"]) == (2, 1, "")
    _, attempts, letters, order = world.mqs.asked
    assert attempts == AttemptsQuery(workflow_id=workflow_id, event_id="e", limit=5)
    assert letters == LettersQuery(workflow_id=workflow_id, signature="s", after="x", with_bodies=True)
    assert isinstance(order, LettersOrder)
    assert (order.action, order.subject, order.which.task_id) == (LetterAction.REPLAY, "ada", "TK")

    for path in ("errors", "failed-attempts", "dead-letters", "dead-letters/groups", f"dead-letters/{'0' * 20}/body"):
        assert (await world.get(f"{of_it}/{path}", subject="eve")).status_code == 404, path


async def test_a_trace_asks_for_the_event_its_parent_and_all_that_tasks_can_have_made_from_it(world: World) -> None:
    made = await world.submit()
    workflow_id, task = made["workflow"]["workflow_id"], made["task_directives"][0]
    parent = EventId(str(uuid.uuid4()))
    event = str(output_id(parent, TaskId(task["task_id"]), 0))
    told = make_attempt(event_id=event, parent=parent, queue=task["output_queues"][0], gave_up=True)
    at = datetime(2026, 11, 30, tzinfo=UTC)
    times = dict.fromkeys(("published_at", "taken_at", "started_at", "ended_at", "acknowledged_at"), at)
    done = DoneAttempt(event_id=parent, root=parent, attempt=1, pilot="p", queue=task["input_queues"][0], **times)
    family = TracedFamily(root=parent, key="k", n_events=1, first_at=at, last_at=at)
    world.mqs.told = {
        "attempts": AttemptsAnswer(attempts=[told], next_before=None, done=[done]),
        "dead-letters": LettersAnswer(letters=[], next_after=None, n_letters=0),
        "traced-families": TracedFamiliesAnswer(families=[family]),
    }
    path = f"/v1/workflows/{workflow_id}/events/{event}/trace"
    answer = await world.get(path)
    assert answer.status_code == 200, answer.text
    trace = EventTrace.model_validate_json(answer.content)
    assert [(one.event_id, one.generation, one.state) for one in trace.events] == [
        (parent, -1, EventState.DONE),
        (event, 0, EventState.DEAD),
    ]
    assert (trace.events[1].made_by, trace.events[1].mqid) == (task["task_id"], task["output_queues"][0])
    assert [one.error for one in trace.events[1].attempts] == [told.error]
    assert (trace.events[0].mqid, trace.events[0].published_at) == (task["input_queues"][0], at)
    assert [each.event_id for each in trace.events[0].done] == [parent]
    assert all(query.with_done for query in world.mqs.asked if isinstance(query, AttemptsQuery))
    families = (await world.get(f"/v1/workflows/{workflow_id}/traces")).json()["families"]
    assert [(one["root"], one["key"], one["n_events"]) for one in families] == [(parent, "k", 1)]
    assert (await world.get(f"/v1/workflows/{workflow_id}/traces", subject="eve")).status_code == 404
    asked = [query.event_ids for query in world.mqs.asked if isinstance(query, AttemptsQuery)]
    assert asked == [[event], [parent]], "no task takes events from the queue of the event"
    assert (await world.get(path, subject="eve")).status_code == 404


def make_attempt(**members: Any) -> Attempt:
    texts = ("key", "task_id", "taskforce_uuid", "reason", "signature", "last_lines", "site", "machine", "slot")
    given = dict.fromkeys((*texts, "pilot", "content_type", "digest"), "") | {
        "cursor": "1", "attempt": 1, "error": "ValueError: bad 17", "exit_code": 1, "worker": None,
        "failed_at": datetime(2026, 11, 30, tzinfo=UTC), "took_s": 1.0, "n_bytes": 1, "excerpt": b"",
    }  # fmt: skip
    return Attempt(**given | members)


async def test_a_long_body_is_put_together_from_its_stretches(world: World) -> None:
    workflow_id = (await world.submit())["workflow"]["workflow_id"]
    path = f"/v1/workflows/{workflow_id}/dead-letters/{'0' * 20}/body"
    world.mqs.told = {"dead-letter-body": LetterBodyAnswer(data=b"ab", offset=0, n_bytes=6, content_type="text/html")}
    answer = await world.get(path)
    assert answer.content == b"ababab"
    # A stranger's bytes are a page for no browser.
    assert (answer.headers["content-type"], answer.headers["x-content-type-options"]) == (
        "application/octet-stream",
        "nosniff",
    )
    assert [q.offset for q in world.mqs.asked if isinstance(q, LetterBodyQuery)] == [0, 2, 4]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"all": False},
        {"all": True, "letters": ["0" * 20]},
        {"all": True, "signature": "s"},
        {"letters": []},
        {"letters": ["x"]},
        {"letters": ["0" * 20] * 201},
        {"unknown": 1},
    ],
)
async def test_an_order_says_once_which_letters_it_means(world: World, body: dict[str, Any]) -> None:
    workflow_id = (await world.submit())["workflow"]["workflow_id"]
    path = f"/v1/workflows/{workflow_id}/dead-letters/actions/discard"
    answer = await world.http.request("POST", path, json=body, headers=world.as_user("ada"))
    assert (answer.status_code, world.mqs.asked) == (400, [])


@pytest.mark.parametrize("limit", ["0", "501", "-1", "x", "1.5", "٣"])
async def test_a_limit_is_a_number_within_bounds(world: World, limit: str) -> None:
    workflow_id = (await world.submit())["workflow"]["workflow_id"]
    answer = await world.http.request(
        "GET", f"/v1/workflows/{workflow_id}/dead-letters", params={"limit": limit}, headers=world.as_user("ada")
    )
    assert answer.status_code == 400


async def test_nothing_is_replayed_into_a_workflow_that_its_user_has_ended(world: World) -> None:
    workflow_id = (await world.submit())["workflow"]["workflow_id"]
    world.mqs.told = {"dead-letters-order": LettersDone(n_done=1, n_missing=0, n_left=0)}
    await world.post(f"/v1/workflows/{workflow_id}/actions/finished", {})
    path = f"/v1/workflows/{workflow_id}/dead-letters/actions"
    replay = await world.http.request("POST", f"{path}/replay", json={"all": True}, headers=world.as_user("ada"))
    assert (replay.status_code, "finished" in replay.json()["error"]) == (409, True)
    assert (await world.post(f"{path}/discard", {"all": True})).json()["n_done"] == 1
