"""The OpenAPI document says of the answers what they are: real ones fit it, and ones that lack a key do not."""

from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema_rs import Draft202012Validator

from tests.contract.conformance.world import SCHEDD_OF, Caller, World, ok


def _validator(document: dict[str, Any], method: str, path: str) -> Draft202012Validator:
    answer = document["paths"][f"/v1{path}"][method]["responses"]["200"]["content"]["application/json"]["schema"]
    return Draft202012Validator({**answer, "components": document["components"]})


def _answers(world: World) -> Iterator[tuple[str, str, Any]]:
    """Yield method, path of the document, and a real answer of each route that users and TMS look at."""
    made = world.submit()
    workflow_id, task_id = made["workflow"]["workflow_id"], made["task_directives"][0]["task_id"]
    uuid = made["taskforces"][0]["taskforce_uuid"]
    world.in_phase(uuid, "pending-starter")
    user: Caller = world.user
    yield "post", "/workflows", made
    for include in ({}, {"include": "health"}):
        yield "get", "/workflows/{workflow_id}", ok(user.get(f"/workflows/{workflow_id}", **include))
        yield "get", "/taskforces/{taskforce_uuid}", ok(user.get(f"/taskforces/{uuid}", **include))
    yield "get", "/task-directives/{task_id}", ok(user.get(f"/task-directives/{task_id}"))
    yield "get", "/workflows/{workflow_id}/queues", ok(user.get(f"/workflows/{workflow_id}/queues"))
    public = f"/mqs/workflows/{workflow_id}/mq-profiles/public"
    yield "get", "/mqs/workflows/{workflow_id}/mq-profiles/public", ok(user.get(public))
    for path in ("workflows", "task-directives", "taskforces"):
        for body in ({}, {"projection": ["workflow_id"]}):
            found = ok(user.post(f"/query/{path}", {"query": {"workflow_id": workflow_id}, **body}))
            yield "post", f"/query/{path}", found
    pending = "/tms/pending-starter/taskforces"
    yield "get", pending, ok(world.tms.get(pending, schedd=SCHEDD_OF["test-alpha"]))
    yield "get", pending, ok(world.tms.get(pending, schedd="nobodys"))


def test_answers_are_what_the_document_says_of_them(world: World) -> None:
    document = ok(world.user.get("/schema/openapi"))
    for method, path, answer in _answers(world):
        problems = [error.message for error in _validator(document, method, path).iter_errors(answer)]
        assert not problems, (method, path, problems)


@pytest.mark.parametrize(
    ("method", "path", "key"),
    [
        ("get", "/workflows/{workflow_id}", "deactivated_ts"),
        ("get", "/taskforces/{taskforce_uuid}", "cluster_id"),
        ("get", "/task-directives/{task_id}", "init_env"),
        ("post", "/query/taskforces", "next_after"),
        ("post", "/workflows", "taskforces"),
    ],
)
def test_an_answer_without_one_of_its_keys_does_not_fit(world: World, method: str, path: str, key: str) -> None:
    document = ok(world.user.get("/schema/openapi"))
    validator = _validator(document, method, path)
    answer = next(found for said, at, found in _answers(world) if (said, at) == (method, path))
    assert validator.is_valid(answer)
    assert not validator.is_valid({name: value for name, value in answer.items() if name != key})
    assert not validator.is_valid({**answer, "surplus": 1})
