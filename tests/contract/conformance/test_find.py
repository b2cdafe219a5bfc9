"""Contract 1.4: FindObject, what it finds, in which order, by pages, and what it refuses."""

from typing import Any

import pytest

from tests.contract.conformance import shapes
from tests.contract.conformance.shapes import is_exactly
from tests.contract.conformance.world import ALPHA, BETA, World, ok, refused, request

PLURALS = {"workflows": "workflows", "task-directives": "task_directives", "taskforces": "taskforces"}
SHAPES = {"workflows": shapes.WORKFLOW, "task-directives": shapes.TASK_DIRECTIVE, "taskforces": shapes.TASKFORCE}


def find(world: World, path: str, query: dict[str, Any], **more: Any) -> dict[str, Any]:
    found: dict[str, Any] = ok(world.user.post(f"/query/{path}", {"query": query, **more}))
    assert found.keys() == {PLURALS[path], "next_after"}
    return found


@pytest.mark.parametrize("path", PLURALS)
def test_a_query_finds_whole_objects_and_says_that_there_are_no_more(world: World, path: str) -> None:
    workflow_id = world.submit()["workflow"]["workflow_id"]
    found = find(world, path, {"workflow_id": workflow_id})
    (only,) = found[PLURALS[path]]
    is_exactly(only, SHAPES[path])
    assert found["next_after"] is None
    assert find(world, path, {"workflow_id": "WF-00000000-00000000"}) == {PLURALS[path]: [], "next_after": None}


def _queries(one: dict[str, Any], other: dict[str, Any]) -> list[tuple[dict[str, Any], int]]:
    """Return queries over two taskforces, of 5 workers at ALPHA and of 9 at BETA, with how many each finds."""
    both = [one["taskforce_uuid"], other["taskforce_uuid"]]
    return [
        ({"n_workers": 5}, 1),
        ({"n_workers": {"$eq": 5}}, 1),
        ({"n_workers": {"$ne": 5}}, 1),
        ({"n_workers": {"$gt": 5}}, 1),
        ({"n_workers": {"$gte": 5}}, 2),
        ({"n_workers": {"$lt": 5}}, 0),
        ({"n_workers": {"$lte": 5}}, 1),
        ({"taskforce_uuid": {"$in": both}}, 2),
        ({"taskforce_uuid": {"$nin": both}}, 0),
        ({"cluster_id": {"$exists": True}}, 2),
        ({"n_workers": {"$not": {"$gt": 5}}}, 1),
        ({"schedd": {"$regex": "^schedd1$", "$options": "i"}}, 1),
        ({"$and": [{"n_workers": 5}, {"schedd": "SCHEDD1"}]}, 1),
        ({"$or": [{"n_workers": 5}, {"n_workers": 9}]}, 2),
        ({"$nor": [{"n_workers": 5}]}, 1),
        ({"worker_config.n_cores": 1}, 2),
        ({"worker_config.n_cores": {"$gt": 1}}, 0),
        ({"pilot_config.environment.LIST": {"$all": ["a", "b"]}}, 2),
        ({"pilot_config.environment.LIST": {"$size": 2}}, 2),
        ({"pilot_config.environment.LIST": {"$elemMatch": {"$eq": "a"}}}, 2),
        ({"phase_change_log": {"$elemMatch": {"source_entity": "USER", "was_successful": True}}}, 2),
        ({}, 2),
    ]


def test_every_operator_of_the_contract_finds_what_it_says(world: World) -> None:
    body = request(cluster_locations=[ALPHA], n_workers=5)
    body["tasks"].append({**body["tasks"][0], "cluster_locations": [BETA], "n_workers": 9})
    made = world.submit(body)
    mine = {"workflow_id": made["workflow"]["workflow_id"]}
    for query, n_found in _queries(*made["taskforces"]):
        found = find(world, "taskforces", {"$and": [mine, query]} if query else mine)
        assert len(found["taskforces"]) == n_found, query


def test_a_projection_includes_only_what_it_names(world: World) -> None:
    made = world.submit()
    query = {"workflow_id": made["workflow"]["workflow_id"]}
    whole = made["taskforces"][0]

    def projected(*names: str) -> Any:
        return find(world, "taskforces", query, projection=list(names))["taskforces"][0]

    assert projected("taskforce_uuid") == {"taskforce_uuid": whole["taskforce_uuid"]}
    assert projected("worker_config.n_cores", "priority") == {"worker_config": {"n_cores": 1}, "priority": 60}
    assert projected("no_such_field") == {}
    assert projected("owner", "rev", "cursor") == {}
    assert projected("_id").keys() == shapes.TASKFORCE.keys()
    assert projected("_id", "priority") == {"priority": 60}


@pytest.mark.parametrize("path", ["taskforces", "workflows"])
def test_pages_end_before_the_limit_and_together_lose_nothing(world: World, path: str) -> None:
    # 40 000 bytes a page, about 1200 a taskforce: a page holds some 30.
    task = request()["tasks"][0]
    tasks = [{**task, "n_workers": n} for n in range(1, 71)]
    if path == "taskforces":
        query = {"workflow_id": world.submit({"public_queue_aliases": [], "tasks": tasks})["workflow"]["workflow_id"]}
        n_expected = 70
    else:
        ids = [world.submit()["workflow"]["workflow_id"] for _ in range(3)]
        query, n_expected = {"workflow_id": {"$in": ids}}, 3
    key = f"{path[:-1]}_uuid" if path == "taskforces" else "workflow_id"
    seen: list[str] = []
    n_pages, after = 0, None
    while n_pages == 0 or after is not None:
        page = ok(world.user.post(f"/query/{path}", {"query": query, **({"after": after} if after else {})}))
        assert page[path]
        seen += [found[key] for found in page[path]]
        n_pages, after = n_pages + 1, page["next_after"]
        assert after is None or len(after) == 24
        assert n_pages < 20
    assert len(seen) == len(set(seen)) == n_expected
    assert (n_pages > 1) == (path == "taskforces")


def test_an_object_larger_than_a_page_is_a_page_of_its_own(world: World) -> None:
    for _ in range(2):
        world.submit(task_args="x" * 60_000, task_env={"MARK": world.prefix})
    mine = {"workflow_id": {"$in": world.workflows}}
    first = find(world, "task-directives", mine)
    assert len(first["task_directives"]) == 1
    second = find(world, "task-directives", mine, after=first["next_after"])
    assert len(second["task_directives"]) == 1
    assert second["next_after"] is None
    assert first["task_directives"] != second["task_directives"]


#: what, the body, the start of the error
REFUSED: list[tuple[str, Any, str]] = [
    ("no query", {}, "'query' is a required property"),
    ("a query that is no object", {"query": []}, "'query': is not of type 'object'"),
    ("an unknown field", {"query": {}, "limit": 3}, "Additional properties are not allowed ('limit' was unexpected)"),
    ("an empty projection", {"query": {}, "projection": []}, "'projection': must have at least 1 items"),
    ("a projection twice", {"query": {}, "projection": ["a", "a"]}, "'projection': has non-unique elements"),
    ("a projection of integers", {"query": {}, "projection": [1]}, "'projection.0': is not of type 'string'"),
    ("a bad cursor", {"query": {}, "after": "xyz"}, "'after': "),
    ("a cursor that is no text", {"query": {}, "after": 5}, "'after': "),
    ("javascript", {"query": {"$where": "sleep(1000)"}}, "'query': "),
    ("javascript inside", {"query": {"$or": [{"$where": "1"}]}}, "'query."),
    ("a function", {"query": {"workflow_id": {"$function": {"body": "x"}}}}, "'query.workflow_id': "),
    ("an expression", {"query": {"$expr": {"$eq": [1, 1]}}}, "'query': "),
    ("an unknown operator", {"query": {"workflow_id": {"$frobnicate": 1}}}, "'query.workflow_id': "),
    ("an unknown field of ours", {"query": {"owner": "eve"}}, "'query': "),
    ("the internal id", {"query": {"_id": {"$gt": ""}}}, "'query': "),
    ("a broken pattern", {"query": {"workflow_id": {"$regex": "("}}}, "'query"),
    ("an empty junction", {"query": {"$or": []}}, "'query.$or': "),
]


@pytest.mark.parametrize(("body", "error"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
@pytest.mark.parametrize("path", PLURALS)
def test_a_query_that_is_not_allowed_is_400_by_name(world: World, path: str, body: Any, error: str) -> None:
    answer = world.user.post(f"/query/{path}", body)
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"].startswith(error)
    assert answer.reason_phrase == answer.json()["error"]


def test_a_tms_finds_workflows_and_taskforces_but_no_task_directives(world: World) -> None:
    workflow_id = world.submit()["workflow"]["workflow_id"]
    body = {"query": {"workflow_id": workflow_id}}
    for path in ("workflows", "taskforces"):
        assert len(ok(world.tms.post(f"/query/{path}", body))[path]) == 1
    refused(world.tms.post("/query/task-directives", body), 403, "authorization failed")
