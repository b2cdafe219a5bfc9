"""A request with several faults gets all of them at once, from every layer, in plain words."""

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas.api.workflows.requests import WorkflowRequest
from schemas.checks.request_check import check_request

TASK: dict[str, Any] = {
    "cluster_locations": ["local"],
    "task_image": "none",
    "task_args": "cp {{INFILE}} {{OUTFILE}}",
    "task_env": {},
    "input_queue_aliases": ["words"],
    "output_queue_aliases": ["shouts"],
    "worker_config": {
        "do_transfer_worker_stdouterr": True,
        "max_worker_runtime": 3600,
        "n_cores": 1,
        "priority": 50,
        "worker_disk": "100M",
        "worker_memory": "100M",
    },
    "pilot_config": {"environment": {}},
}
CLUSTERS = {"local": "", "osg": "", "grid": "osg"}
T, W, P = "tasks.0", "tasks.0.worker_config", "tasks.0.pilot_config"

#: Words of libraries, which no user must see.
FOREIGN = (
    "required property", "is not of type", "is not one of", "Additional properties", "too short", "does not match",
    "Input should", "accepted types", "None", "pydantic", "type=",
)  # fmt: skip


def made(*changes: tuple[str, Any]) -> Any:
    """Return a right request with each path changed; `...` removes what is there."""
    body: Any = {"public_queue_aliases": ["words", "shouts"], "tasks": [copy.deepcopy(TASK)]}
    for path, value in changes:
        *way, last = [int(step) if step.isdecimal() else step for step in path.split(".")]
        at = body
        for step in way:
            at = at[step]
        if value is ...:
            del at[last]
        else:
            at[last] = value
    return body


def told(body: Any) -> list[str]:
    return [str(complaint) for complaint in check_request(body, clusters=CLUSTERS)]


#: One fault of each keyword that the schemas use: the path, the value, what is said of it.
FAULTS: list[tuple[str, Any, str]] = [
    # required
    ("tasks", ..., 'is missing; add it: "tasks": [{"task_image": ..., "task_args": ...}]'),
    (f"{T}.task_image", ..., 'is missing; add it: "task_image": "docker://python:3.12"'),
    (f"{W}.n_cores", ..., 'is missing; add it: "n_cores": 1'),
    # additionalProperties
    ("foo", 1, "is not a field that EWMS knows; leave it out; fields here: tasks, public_queue_aliases, priority"),
    (f"{T}.inputs", ["x"], "is not a field that EWMS knows; did you mean 'input_queue_aliases'?"),
    (f"{T}.task_img", "x", "is not a field that EWMS knows; did you mean 'task_image'?"),
    (f"{T}.n_cores", 2, "is not a field that EWMS knows; write it into 'worker_config'"),
    (f"{T}.memory", "1G", "is not a field that EWMS knows; write 'worker_memory' into 'worker_config'"),
    (f"{W}.memory", "1G", "is not a field that EWMS knows; did you mean 'worker_memory'?"),
    (f"{P}.n_workers", 1, "is not a field that EWMS knows; write it into the task"),
    # type
    ("tasks", {}, "is an object, and must be a list of tasks; write it like"),
    (f"{T}", "x", "is a text, and must be an object: one task; write it like"),
    (f"{T}.input_queue_aliases", "words", "is the text 'words', and must be a list of names; write [\"words\"]"),
    (f"{T}.cluster_locations", "local", "is the text 'local', and must be a list of names; write [\"local\"]"),
    (f"{T}.input_queue_aliases.0", 1, 'is 1, and must be a text; write it like "photons"'),
    (f"{T}.n_workers", "8", "is a text, and must be a whole number, or null for the cluster's own; write 8, without"),
    (f"{T}.n_workers", 1.5, "is 1.5, and must be a whole number"),
    (f"{W}.max_worker_runtime", "1h", "is a text, and must be a whole number of seconds; write 3600, without quotes"),
    (f"{W}.max_worker_runtime", "1h30m", "is a text, and must be a whole number of seconds; write 5400, without"),
    (f"{P}.env", {}, "is not a field that EWMS knows; did you mean 'environment'?"),
    (f"{W}.do_transfer_worker_stdouterr", "false", "is a text, and must be true or false; write false, without quotes"),
    (f"{W}.worker_memory", None, "is null, and must be a size: a number of bytes, or a text with a unit"),
    (f"{T}.task_args", ["cp"], 'is a list, and must be a text; write it like "reco {{INFILE}} {{OUTFILE}}"'),
    (f"{T}.task_env", ["A=1"], 'is a list, and must be an object of texts; write it like {"SEED": "7"}'),
    (f"{T}.task_env.A", 7, 'is a number, and must be a text; write it in quotes, like "7"'),
    (f"{W}", [], "is a list, and must be an object; write it like"),
    (f"{P}.environment.A", True, "is true or false, and must be a text, a whole number or a list of texts"),
    (f"{P}.environment.A", [1], "is a list, and must be a text, a whole number or a list of texts"),
    ("priority", True, "is true, and must be a whole number; write it like 50"),
    # minItems, maxItems, minLength, maxLength, minimum, maximum
    ("tasks", [], "is empty, and must have at least 1 element"),
    (f"{T}.cluster_locations", [], 'is empty; name a cluster: "cluster_locations": ["local"], or set EWMS_CLUSTER'),
    (f"{T}.task_image", "", "is empty, and must have at least 1 character; write it like"),
    (f"{T}.task_image", "x" * 5000, "must have at most 4096 characters, and has 5000; put the data into a file"),
    (f"{T}.input_queue_aliases", [f"q{n}" for n in range(101)], "must have at most 100 elements, and has 101; split"),
    (f"{T}.n_workers", 0, "is 0, and must be 1 or more; write it like 10"),
    (f"{W}.max_worker_runtime", 10**9, "is 1000000000, and must be 31536000 or less; write it like 3600"),
    # pattern, propertyNames, enum, uniqueItems
    (f"{P}.tag", "../x", "is not a tag of a pilot's image; write latest, or a version like 1.2.3"),
    (f"{T}.input_queue_aliases.0", "a\n", "has a control character; use letters, digits, '-' and '_'"),
    (f"{T}.task_env.A-B", "x", "is not the name of a variable: a name has letters, digits and '_'"),
    (f"{P}.image_source", "cvmsf", "must be one of cvmfs, auto; did you mean cvmfs?"),
    (f"{P}.image_source", "docker", "must be one of cvmfs, auto; choose one of them"),
    ("public_queue_aliases", ["words", "words", "shouts"], "has 'words' twice; leave one of the two out"),
    ("tasks", [TASK, TASK], "has the same task twice; leave one of the two out"),
    # formats of our own
    (f"{W}.worker_memory", "2 Gigs", "must be a number of bytes or a number with a unit, such as '512M' or '2 GB'"),
    (f"{T}.task_args", "x\0", "must not contain control characters; remove them"),
    (f"{T}.task_env.A", "x\0", "must not contain NUL; remove it"),
    # the layers behind the schema
    (
        f"{T}.cluster_locations",
        ["lcoal"],
        "EWMS has no cluster 'lcoal'; did you mean 'local'? cluster locations: local, osg; ",
    ),
    (f"{W}.condor_requirements", "a b", "needs an operator before character 3; write an expression of HTCondor"),
    (f"{P}.environment.EWMS_PILOT_TASK_ARGS", "x", "must not set what a field of the task sets; write it into"),
    (
        f"{P}.environment.EWMS_PILOT_TASK_TIMEOT",
        "9",
        "is a variable that no pilot reads; did you mean EWMS_PILOT_TASK_T",
    ),
    (f"{P}.environment.EWMS_PILOT_TASK_TIMEOUT", "9m", "must be a number of seconds above 0"),
    (f"{P}.input_files", ["a"], "a path must be absolute"),
]


@pytest.mark.parametrize(("path", "value", "said"), FAULTS)
def test_a_fault_is_told_by_field_rule_and_remedy(path: str, value: Any, said: str) -> None:
    found = told(made((path, value)))
    where = f"{path}.0" if path.endswith("input_files") else path
    assert any(line.startswith(f"'{where}': {said}") for line in found), found
    assert not [word for line in found for word in FOREIGN if word in line.replace("'none'", "")]
    for complaint in check_request(made((path, value)), clusters=CLUSTERS):
        assert complaint.rule
        assert complaint.remedy


@pytest.mark.parametrize("body", [None, 3, [], "x"])
def test_what_is_no_object_is_told_what_a_request_looks_like(body: Any) -> None:
    (said,) = told(body)
    assert said.endswith('a request is a JSON object; write it like {"public_queue_aliases": [...], "tasks": [...]}')


def test_faults_of_all_layers_are_told_at_once() -> None:
    found = told(
        made(
            (f"{T}.n_workers", 0),
            (f"{T}.task_args", "cp {{INFIEL}} x"),
            (f"{T}.cluster_locations", ["lcoal"]),
            (f"{T}.input_queue_aliases", "wrods"),
            (f"{W}.worker_memory", 512),
            (f"{W}.condor_requirements", "a b"),
            (f"{P}.environment.EWMS_PILOT_TASK_TIMEOT", "9"),
            (f"{P}.foo", 1),
            ("priority", "high"),
        )
    )
    for where in (
        f"{T}.n_workers", f"{T}.task_args", f"{T}.cluster_locations", f"{T}.input_queue_aliases", f"{W}.worker_memory",
        f"{W}.condor_requirements", f"{P}.environment.EWMS_PILOT_TASK_TIMEOT", f"{P}.foo", "priority",
    ):  # fmt: skip
        assert any(line.startswith(f"'{where}': ") for line in found), where


def test_what_a_fault_makes_senseless_is_not_told() -> None:
    # Which queue ends nowhere, nobody knows while a task's names are unknown.
    (said,) = told(made((f"{T}.input_queue_aliases", 3)))
    assert said.startswith(f"'{T}.input_queue_aliases': is 3")
    (said,) = told(made((T, "x")))
    assert said.startswith(f"'{T}': is a text")


def test_a_name_in_a_message_is_short_and_printable() -> None:
    (public, *found) = told(
        made(
            (f"{T}.input_queue_aliases", ["wor\u200bds", "x" * 200]),
            ("public_queue_aliases", ["worrds", "y", "shouts"]),
        )
    )
    assert "no task uses the public queue(s) y; tasks use" in public
    assert "x" * 64 + "…" in public
    assert "private queue 'wor\\u200bds'" in " ".join(found)
    assert all(line.isprintable() for line in found)


def test_a_request_as_it_was_made_is_right() -> None:
    assert told(made()) == []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
PATHS = [path for path, value, _ in FAULTS if value is not ... and path.count(".") < 4] + ["public_queue_aliases"]


@given(st.lists(st.tuples(st.sampled_from(PATHS), JSON), min_size=1, max_size=4))
def test_whatever_a_field_holds_a_request_is_taken_or_every_complaint_has_its_remedy(
    changes: list[tuple[str, Any]],
) -> None:
    try:
        body = made(*changes)
    except (TypeError, KeyError, IndexError):
        return
    found = check_request(body, clusters=CLUSTERS)
    try:
        WorkflowRequest.model_validate_json(json.dumps(body), strict=True)
    except ValidationError:
        assert any(complaint.is_refused for complaint in found)
    assert all(complaint.rule and complaint.remedy for complaint in found)


def test_a_flood_of_faults_is_told_in_bounded_time() -> None:
    assert len(told(made((f"{T}.task_env", {f"A{n}": n for n in range(5000)})))) == 5000
