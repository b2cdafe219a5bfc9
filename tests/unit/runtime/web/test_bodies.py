"""Bodies and what is said about bad ones: the contract's phrases, the field's name, never its value."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from runtime.web.bodies import parse_body
from schemas.api.general import Empty
from schemas.api.queries import Query
from schemas.api.workflows.requests import AddWorkersRequest, WorkflowRequest
from schemas.errors import Rejected
from tests.unit.wms.fleets import task_request

JSON = "application/json"


def workflow(change: Callable[[dict[str, Any]], object] = lambda _: None) -> bytes:
    body: dict[str, Any] = {"public_queue_aliases": ["in"], "tasks": [json.loads(json.dumps(task_request()))]}
    change(body)
    return json.dumps(body).encode()


def refusal(body: bytes, content_type: str = JSON) -> str:
    with pytest.raises(Rejected) as caught:
        parse_body(body, content_type, WorkflowRequest)
    assert caught.value.code == 400
    return caught.value.reason


def test_a_good_body_is_read() -> None:
    assert parse_body(workflow(), "Application/JSON; charset=UTF-8", WorkflowRequest).tasks[0].n_workers == 10


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda b: b.pop("tasks"), "'tasks' is a required property"),
        (lambda b: b["tasks"][0].pop("task_image"), "'tasks.0': 'task_image' is a required property"),
        (
            lambda b: b["tasks"][0]["worker_config"].pop("n_cores"),
            "'tasks.0.worker_config': 'n_cores' is a required property",
        ),
        (lambda b: b.update(foo="secret"), "Additional properties are not allowed ('foo' was unexpected)"),
        (
            lambda b: b["tasks"][0].update(foo=1, bar=2),
            "'tasks.0': Additional properties are not allowed ('foo', 'bar' were unexpected)",
        ),
        (lambda b: b.update(tasks=[]), "'tasks': must have at least 1 items"),
        (lambda b: b.update(tasks={}), "'tasks': is not of type 'array'"),
        (lambda b: b.update(priority="secret"), "'priority': is not of type 'integer'"),
        (lambda b: b.update(priority=True), "'priority': is not of type 'integer'"),
        (lambda b: b.update(priority=1.5), "'priority': is not of type 'integer'"),
        (lambda b: b.update(priority=2**60), "'priority': must be at most 9007199254740992"),
        (lambda b: b["tasks"][0].update(n_workers=0), "'tasks.0.n_workers': must be at least 1"),
        (lambda b: b["tasks"][0].update(n_workers="1"), "'tasks.0.n_workers': is not of type 'integer'"),
        (lambda b: b["tasks"][0].update(task_args=5), "'tasks.0.task_args': is not of type 'string'"),
        (lambda b: b["tasks"][0].update(task_image=""), "'tasks.0.task_image': must have at least 1 characters"),
        (lambda b: b["tasks"].append(b["tasks"][0]), "'tasks': has non-unique elements"),
        (lambda b: b.update(public_queue_aliases=["a", "a"]), "'public_queue_aliases': has non-unique elements"),
        (lambda b: b["tasks"][0].update(task_env={"A": 1}), "'tasks.0.task_env.A': is not of type 'string'"),
        (lambda b: b["tasks"][0].update(task_env={"A-B": "x"}), "'tasks.0.task_env.A-B': is not an allowed name"),
        (
            lambda b: b["tasks"][0].update(pilot_config={"environment": {"C": False}}),
            "'tasks.0.pilot_config.environment.C': must match one of the accepted types",
        ),
        (
            lambda b: b["tasks"][0].update(pilot_config={"environment": {"C": [1]}}),
            "'tasks.0.pilot_config.environment.C': must match one of the accepted types",
        ),
        (
            lambda b: b["tasks"][0]["worker_config"].update(worker_memory=True),
            "'tasks.0.worker_config.worker_memory': must match one of the accepted types",
        ),
        (
            lambda b: b["tasks"][0]["worker_config"].update(worker_memory="secret"),
            "'tasks.0.worker_config.worker_memory': must be a number of bytes or a number with a unit",
        ),
        (
            lambda b: b["tasks"][0]["worker_config"].update(condor_requirements="secret\0"),
            "'tasks.0.worker_config.condor_requirements': must not contain control characters",
        ),
        (
            lambda b: b["tasks"][0].update(pilot_config={"image_source": "docker"}),
            "'tasks.0.pilot_config.image_source': must be one of 'cvmfs' or 'auto'",
        ),
        (
            lambda b: b["tasks"][0].update(pilot_config={"tag": "../x"}),
            "'tasks.0.pilot_config.tag': does not match",
        ),
        (lambda b: b["tasks"].append("secret"), "'tasks.1': is not of type 'object'"),
    ],
)
def test_what_does_not_fit_is_named_and_its_value_is_not(
    change: Callable[[dict[str, Any]], object], reason: str
) -> None:
    said = refusal(workflow(change))
    assert reason in said
    assert "secret" not in said
    assert "SECRET" not in said


def test_several_problems_are_joined() -> None:
    said = refusal(workflow(lambda b: (b.pop("public_queue_aliases"), b["tasks"][0].update(n_workers=0))))
    assert said == "'tasks.0.n_workers': must be at least 1; 'public_queue_aliases' is a required property"


def test_a_flood_of_problems_is_cut() -> None:
    said = refusal(workflow(lambda b: b.update(public_queue_aliases=list(range(500)))))
    assert said.endswith("and 480 more")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON (line 1"),
        (b"[]", "the body is not of type 'object'"),
        (b'{"priority": NaN}', "NaN"),
        (b'{"priority": -Infinity}', "NaN"),
        (b'{"tasks": [], "tasks": []}', "twice"),
        (b"\xff\xfe", "not UTF-8"),
        ("\ufeff{}".encode(), "not JSON"),
        (b'{"priority": ' + b"9" * 10_000 + b"}", "an integer of more than 4300 digits"),
        (b"[" * 100 + b"]" * 100, "nested deeper"),
        (b"[" * 200_000, "nested deeper"),
    ],
)
def test_what_is_not_strict_json_is_refused(body: bytes, reason: str) -> None:
    assert reason in refusal(body)


@pytest.mark.parametrize("content_type", ["", "text/plain", "application/x-www-form-urlencoded", "application/jsonp"])
def test_a_body_must_be_called_json(content_type: str) -> None:
    assert refusal(workflow(), content_type) == "Content-Type must be application/json"


def test_another_charset_is_refused() -> None:
    assert refusal(workflow(), "application/json; charset=utf-16") == "the charset must be utf-8"


@pytest.mark.parametrize(("body", "content_type"), [(b"", ""), (b"", JSON), (b"{}", JSON), (b" ", "text/plain")])
def test_an_optional_body_may_be_absent(body: bytes, content_type: str) -> None:
    parse_body(body, content_type, Empty, optional=True)


def test_an_optional_body_is_checked_if_it_is_there() -> None:
    with pytest.raises(Rejected, match="'why' was unexpected"):
        parse_body(b'{"why": 1}', JSON, Empty, optional=True)


def test_both_fields_of_add_workers_are_required_and_null_is_a_number_of_workers() -> None:
    assert parse_body(b'{"cluster_location": "osg", "n_workers": null}', JSON, AddWorkersRequest).n_workers is None
    with pytest.raises(Rejected, match="'n_workers' is a required property"):
        parse_body(b'{"cluster_location": "osg"}', JSON, AddWorkersRequest)


@pytest.mark.parametrize("after", ["x", "g" * 24, "0" * 23, 5])
def test_a_bad_cursor_is_a_bad_request(after: object) -> None:
    with pytest.raises(Rejected, match="'after'"):
        parse_body(json.dumps({"query": {}, "after": after}).encode(), JSON, Query)
