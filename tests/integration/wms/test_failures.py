"""What failed over REST: MQS is asked for what was asked for, and what makes no sense is refused before."""

from typing import Any

import pytest

from schemas.failures.dead_letters import (
    LetterAction,
    LetterBodyAnswer,
    LetterBodyQuery,
    LettersAnswer,
    LettersDone,
    LettersOrder,
    LettersQuery,
)
from schemas.failures.history import AttemptsAnswer, AttemptsQuery, ErrorGroupsAnswer
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
