"""Bad input over REST: each has its status and a sentence that names the thing, and leaves nothing half created."""

from dataclasses import dataclass
from typing import Any

import pytest

from schemas.engine.runs import MAX_STATE_BYTES
from schemas.engine.subscriptions import SubscriptionLifecycle
from tests.integration.wms.engine.test_rest_rows import PAGE, NodeStory, story

__all__ = ["story"]

CREATE, MODIFY = "/processes/create_node_enrollment", "/processes/modify_node_enrollment"


@dataclass(frozen=True)
class BadRequest:
    """A request, and the answer to it. `{...}` in a path, a page or a sentence stands for what the story has."""

    what: str
    path: str
    body: Any
    status: int
    sentence: str
    subject: str = "ada"


PRODUCT, ON = {"product": "{product}"}, {"subscription_id": "{provisioning}"}
REQUESTS = (
    BadRequest("unknown workflow", "/processes/no_such", [{}], 404, "no definition found with name: no_such"),
    BadRequest("no list of pages", CREATE, PRODUCT, 422, "the body must be a list of pages"),
    BadRequest("page that is no object", CREATE, ["page"], 422, "the body must be a list of pages"),
    BadRequest("form wants more", CREATE, [PRODUCT], 510, "esdb_node_id"),
    BadRequest("field of another type", CREATE, [PRODUCT, PAGE | {"esdb_node_id": "twelve"}], 400, "esdb_node_id"),
    BadRequest("field is missing", CREATE, [PRODUCT, {"organisation": "c"}], 400, "select_node"),
    BadRequest("field that no form has", CREATE, [PRODUCT, PAGE | {"colour": "red"}], 400, "colour"),
    BadRequest("unknown product", CREATE, [{"product": "{provisioning}"}, PAGE], 400, "product"),
    BadRequest("one page too many", CREATE, [PRODUCT, PAGE, {}], 400, "fewer than the 3 pages"),
    BadRequest(
        "state too large", CREATE, [PRODUCT, PAGE | {"url": "x" * MAX_STATE_BYTES}], 413, "at most 1048576 bytes"
    ),
    BadRequest(
        "unknown subscription", MODIFY, [{"subscription_id": "{product}"}], 400, "there is no such subscription"
    ),
    BadRequest("stale version", MODIFY, [{**ON, "version": 0}], 400, "you have seen version 0 of the subscription"),
    BadRequest("gate refuses", MODIFY, [{"subscription_id": "{active}"}], 400, "is usable when it is provisioning"),
    BadRequest("out of sync", MODIFY, [{"subscription_id": "{locked}"}], 400, "the subscription is out of sync"),
    BadRequest("author refuses", "/processes/change_privately", [ON], 403, "change_privately", subject="eve"),
    BadRequest("run predicate refuses", "/processes/never_start", [{}], 412, "not on Sundays"),
    BadRequest("wrong callback token", "/processes/{process}/callback/wrong", {}, 404, "waits for this callback"),
    BadRequest("second answer", "{answered}", {"ok": False}, 409, "does not wait for this callback any more"),
    BadRequest("progress after the answer", "{answered}/progress", 50, 409, "does not wait for this callback any more"),
)

#: A demand, and a workflow that starts -> the class of its step's failure, and a part of the failure's sentence.
FAILURES = {
    "O14 lack_key": ("MissingKey", "the state has no key 'missing_key', which take_key takes as an argument"),
    "O36 lack_json": ("NotPlain", "deep.list.1 is a object"),
    "O16 grow": ("StateTooLarge", "the largest key is 'large'"),
    "O21 misread_node": (
        "WrongLifecycle",
        "subscription {provisioning} is provisioning, so it is read as NodeEnrollment",
    ),
    "O6 stop_halfway": ("RuntimeError", "no more than half"),
}


def fill(value: Any, names: dict[str, str]) -> Any:
    """Return `value` with the story's ids in place of their names."""
    if isinstance(value, dict):
        return {key: fill(one, names) for key, one in value.items()}
    if isinstance(value, list):
        return [fill(one, names) for one in value]
    for name, known in names.items():
        value = value.replace(f"{{{name}}}", known) if isinstance(value, str) else value
    return value


async def test_bad_input_has_its_status_and_its_sentence_and_leaves_nothing(
    story: NodeStory, subtests: pytest.Subtests
) -> None:
    called = await story.start("call_out", [{}])
    waiting = await story.until_status(called, "awaiting_callback")
    route = waiting["current_state"]["route"].removeprefix("/api")
    assert (await story.send("POST", route, {"ok": True})).status_code == 200
    await story.until_status(called, "completed")
    lifecycle = SubscriptionLifecycle
    names = {
        "product": story.product,
        "process": called,
        "answered": route,
        "provisioning": (await story.create())["subscription_ids"][0],
        "active": await story.add_subscription(status=lifecycle.ACTIVE),
        "locked": await story.add_subscription(status=lifecycle.PROVISIONING, insync=False),
    }
    before = await story.count()

    for bad in REQUESTS:
        with subtests.test(bad.what):
            answer = await story.send("POST", fill(bad.path, names), fill(bad.body, names), subject=bad.subject)
            assert answer.status_code == bad.status, answer.text
            problem = answer.json()
            assert problem["status"] == bad.status
            assert problem["detail"], "there is a sentence"
            assert bad.sentence in answer.text, answer.text
            assert await story.count() == before
    with subtests.test("wrong token"):
        for header in ({}, {"Authorization": "Bearer nonsense"}):
            answer = await story.http.post(f"/api{CREATE}", json=[fill(PRODUCT, names), PAGE], headers=header)
            assert (answer.status_code, answer.json()["detail"]) == (403, "authentication failed"), answer.text
            assert await story.count() == before
    for n_failed, (what, (error, sentence)) in enumerate(FAILURES.items(), start=1):
        with subtests.test(what):
            workflow = what.split()[1]
            page = {"subscription_id": names["provisioning"]} if workflow == "misread_node" else {}
            process = await story.until_status(await story.start(workflow, [page]), "failed")
            [failed] = [step for step in process["steps"] if step["status"] == "failed"]
            assert failed["state_delta"]["class"] == error
            assert fill(sentence, names) in process["failed_reason"]
            assert await story.count() == (before[0] + n_failed, before[1]), "the process alone is there"
    with subtests.test("dead pool"):
        await story.worker.aclose()
        answer = await story.send("POST", CREATE, [fill(PRODUCT, names), PAGE])
        assert (answer.status_code, "'default'" in answer.json()["detail"]) == (503, True), answer.text
        assert await story.count() == (before[0] + len(FAILURES), before[1])
