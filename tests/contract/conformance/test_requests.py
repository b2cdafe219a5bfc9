"""Contract 1.3 and 2: the body of POST /workflows, field by field, as both versions' clients write it."""

import copy
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from schemas.broker.token_sizes import max_queues
from tests.contract.conformance import shapes
from tests.contract.conformance.shapes import is_exactly
from tests.contract.conformance.world import ALPHA, BETA, World, ok, published_request, refused, request

Body = dict[str, Any]
Change = Callable[[Body], object]


def _task(body: Body) -> Body:
    task: Body = body["tasks"][0]
    return task


def _worker(body: Body) -> Body:
    worker: Body = _task(body)["worker_config"]
    return worker


def _set_in_pilot(name: str, body: Body) -> None:
    _task(body)["pilot_config"]["environment"] = {name: "x"}


def _without(part: Callable[[Body], Body], name: str) -> Change:
    return lambda body: part(body).pop(name)


#: what, the change of a full body, what the answer holds by `part.name`
TAKEN: list[tuple[str, Change, dict[str, Any]]] = [
    ("priority as given", lambda b: b.update(priority=5), {"workflow.priority": 5, "taskforce.priority": 5}),
    ("priority by default", lambda b: b.pop("priority"), {"workflow.priority": 50, "taskforce.priority": 50}),
    ("priority at the cap", lambda b: b.update(priority=100), {"workflow.priority": 100}),
    ("priority capped", lambda b: b.update(priority=250), {"workflow.priority": 100, "taskforce.priority": 100}),
    ("a negative priority", lambda b: b.update(priority=-3), {"workflow.priority": -3}),
    ("unused public aliases", lambda b: b["public_queue_aliases"].append("ghost"), {"task.input_queues": 1}),
    ("no public aliases", lambda b: b.update(public_queue_aliases=[]), {"task.input_queues": 1}),
    ("no task_env", lambda b: _task(b).pop("task_env"), {"task.task_env": {}}),
    ("no init_image", lambda b: _task(b).pop("init_image"), {"task.init_image": ""}),
    ("no init_args", lambda b: _task(b).pop("init_args"), {"task.init_args": ""}),
    ("no init_env", lambda b: _task(b).pop("init_env"), {"task.init_env": {}}),
    ("no args", lambda b: _task(b).update(task_args=""), {"task.task_args": ""}),
    ("a source task", lambda b: _task(b).update(input_queue_aliases=[]), {"task.input_queues": 0}),
    ("a sink task", lambda b: _task(b).update(output_queue_aliases=[]), {"task.output_queues": 0}),
    ("n_workers null", lambda b: _task(b).update(n_workers=None), {"taskforce.n_workers": None}),
    ("no n_workers", lambda b: _task(b).pop("n_workers"), {"taskforce.n_workers": None}),
    (
        "no condor_requirements, as until 0.5.1",
        lambda b: _worker(b).pop("condor_requirements"),
        {"taskforce.worker_config.condor_requirements": ""},
    ),
    (
        "requirements with the end of a regular expression",
        lambda b: _worker(b).update(condor_requirements='regexp("edu$", Machine)'),
        {"taskforce.worker_config.condor_requirements": 'regexp("edu$", Machine)'},
    ),
    (
        "requirements over several lines",
        lambda b: _worker(b).update(condor_requirements="Memory > 1\n  && max({1, 2}) > 1\r\n"),
        {"taskforce.worker_config.condor_requirements": "Memory > 1   && max({1, 2}) > 1"},
    ),
    (
        "sizes as integers, as since 0.6.3",
        lambda b: _worker(b).update(worker_disk=10**9, worker_memory=2 * 10**9),
        {"taskforce.worker_config.worker_disk": 10**9, "taskforce.worker_config.worker_memory": 2 * 10**9},
    ),
    (
        "sizes as text",
        lambda b: _worker(b).update(worker_disk="512M", worker_memory="1G"),
        {"taskforce.worker_config.worker_disk": "512M", "taskforce.worker_config.worker_memory": "1G"},
    ),
    (
        "no pilot_config",
        lambda b: _task(b).pop("pilot_config"),
        {
            "taskforce.pilot_config.environment": {},
            "taskforce.pilot_config.input_files": [],
            "taskforce.pilot_config.image_source": "cvmfs",
        },
    ),
    (
        "half a pilot_config",
        lambda b: _task(b).update(pilot_config={"tag": "latest"}),
        {"taskforce.pilot_config.environment": {}, "taskforce.pilot_config.input_files": []},
    ),
    (
        "a pilot's environment of text, integers and lists, as it was posted",
        lambda b: _task(b)["pilot_config"].update(environment={"A": "1", "B": 2, "C": ["x", "y"]}),
        {"taskforce.pilot_config.environment": {"A": "1", "B": 2, "C": ["x", "y"]}},
    ),
]


@pytest.mark.parametrize(("change", "expected"), [row[1:] for row in TAKEN], ids=[row[0] for row in TAKEN])
def test_a_body_that_existing_clients_send_is_taken(world: World, change: Change, expected: dict[str, Any]) -> None:
    body = request()
    change(body)
    made = world.submit(body)
    parts = {
        "workflow": made["workflow"],
        "task": made["task_directives"][0],
        "taskforce": made["taskforces"][0],
    }
    is_exactly(parts["task"], shapes.TASK_DIRECTIVE)
    is_exactly(parts["taskforce"], shapes.TASKFORCE)
    for path, value in expected.items():
        found: Any = parts
        for name in path.split("."):
            found = found[name]
        assert (len(found) if path.endswith("_queues") else found) == value, path


def test_the_first_published_request_is_taken_word_for_word(world: World) -> None:
    body = published_request()
    made = world.submit(body)
    assert made["task_directives"][0]["cluster_locations"] == body["tasks"][0]["cluster_locations"]
    is_exactly(made["taskforces"][0], shapes.TASKFORCE)


def test_an_alias_of_a_location_and_the_location_make_two_taskforces_at_one_schedd(world: World) -> None:
    made = world.submit(cluster_locations=["sub-2", "osg"])
    assert [t["schedd"] for t in made["taskforces"]] == ["grid-submitter.icecube.wisc.edu"] * 2
    assert made["task_directives"][0]["cluster_locations"] == ["sub-2", "osg"]


@pytest.mark.parametrize("tag", ["latest", "1.2.3", "my-branch-0a1b2c", "v1.0-5"])
def test_a_pilot_tag_is_stored_and_latest_as_what_it_means_now(world: World, tag: str) -> None:
    made = world.submit(pilot_config={"tag": tag, "environment": {}, "input_files": [], "image_source": "cvmfs"})
    stored = made["taskforces"][0]["pilot_config"]["tag"]
    assert stored == ("1.10.0" if tag == "latest" else tag), "the highest version, not the last by name"


def _refused_tag(world: World, tag: str) -> None:
    answer = world.user.post("/workflows", request(pilot_config={"tag": tag}))
    assert answer.status_code == 400
    assert answer.json()["error"].startswith("Pilot image tag not found. ")


@pytest.mark.parametrize("tag", ["1.2.4", "9.9.9", "no-such-branch"])
def test_a_pilot_tag_of_no_image_is_refused(world: World, tag: str) -> None:
    _refused_tag(world, tag)


def test_an_image_counts_as_soon_as_it_is_there_and_without_any_there_is_no_latest(
    world: World, pilot_images: Path
) -> None:
    aside = pilot_images.rename(pilot_images.with_name("aside"))
    try:
        pilot_images.mkdir()
        _refused_tag(world, "latest")
        _refused_tag(world, "1.2.3")
        (new := pilot_images / "ewms-pilot:0.0.1").mkdir()
        made = world.submit(pilot_config={"tag": "latest"})
        assert made["taskforces"][0]["pilot_config"]["tag"] == "0.0.1"
        new.rmdir()
    finally:
        pilot_images.rmdir()
        aside.rename(pilot_images)


def test_two_tasks_that_name_an_alias_share_its_queue(world: World) -> None:
    body = request()
    second = copy.deepcopy(_task(body))
    second.update(input_queue_aliases=["out"], output_queue_aliases=["end"], cluster_locations=[BETA])
    body["tasks"].append(second)
    first, then = world.submit(body)["task_directives"]
    assert first["output_queues"] == then["input_queues"]
    assert then["output_queues"] != first["input_queues"]


#: what, the change of a full body, the exact error
REFUSED: list[tuple[str, Change, str]] = [
    ("no tasks", lambda b: b.pop("tasks"), "'tasks' is a required property"),
    ("no public aliases", lambda b: b.pop("public_queue_aliases"), "'public_queue_aliases' is a required property"),
    ("empty tasks", lambda b: b.update(tasks=[]), "'tasks': must have at least 1 items"),
    (
        "equal tasks",
        lambda b: b["tasks"].append(copy.deepcopy(b["tasks"][0])),
        "'tasks': has non-unique elements",
    ),
    (
        "an unknown field",
        lambda b: b.update(foo=1),
        "Additional properties are not allowed ('foo' was unexpected)",
    ),
    (
        "an unknown field of a task",
        lambda b: _task(b).update(foo=1),
        "'tasks.0': Additional properties are not allowed ('foo' was unexpected)",
    ),
    ("priority as text", lambda b: b.update(priority="5"), "'priority': is not of type 'integer'"),
    ("priority as a fraction", lambda b: b.update(priority=5.5), "'priority': is not of type 'integer'"),
    ("priority true", lambda b: b.update(priority=True), "'priority': is not of type 'integer'"),
    (
        "equal public aliases",
        lambda b: b.update(public_queue_aliases=["in", "in"]),
        "'public_queue_aliases': has non-unique elements",
    ),
    (
        "an alias that is no text",
        lambda b: b.update(public_queue_aliases=[1]),
        "'public_queue_aliases.0': is not of type 'string'",
    ),
    *(
        (f"no {name}", _without(_task, name), f"'tasks.0': '{name}' is a required property")
        for name in (
            "cluster_locations",
            "task_image",
            "task_args",
            "input_queue_aliases",
            "output_queue_aliases",
            "worker_config",
        )
    ),
    *(
        (
            f"no {name}",
            _without(_worker, name),
            f"'tasks.0.worker_config': '{name}' is a required property",
        )
        for name in (
            "do_transfer_worker_stdouterr",
            "max_worker_runtime",
            "n_cores",
            "priority",
            "worker_disk",
            "worker_memory",
        )
    ),
    (
        "an unknown field of worker_config",
        lambda b: _worker(b).update(foo=1),
        "'tasks.0.worker_config': Additional properties are not allowed ('foo' was unexpected)",
    ),
    (
        "no cluster locations",
        lambda b: _task(b).update(cluster_locations=[]),
        "'tasks.0.cluster_locations': must have at least 1 items",
    ),
    (
        "equal cluster locations",
        lambda b: _task(b).update(cluster_locations=[ALPHA, ALPHA]),
        "'tasks.0.cluster_locations': has non-unique elements",
    ),
    (
        "equal inputs",
        lambda b: _task(b).update(input_queue_aliases=["in", "in"]),
        "'tasks.0.input_queue_aliases': has non-unique elements",
    ),
    (
        "an image that is no text",
        lambda b: _task(b).update(task_image=1),
        "'tasks.0.task_image': is not of type 'string'",
    ),
    (
        "an environment of lists",
        lambda b: _task(b).update(task_env={"A": ["x"]}),
        "'tasks.0.task_env.A': is not of type 'string'",
    ),
    (
        "an environment of nulls",
        lambda b: _task(b).update(init_env={"A": None}),
        "'tasks.0.init_env.A': is not of type 'string'",
    ),
    ("n_workers as text", lambda b: _task(b).update(n_workers="3"), "'tasks.0.n_workers': is not of type 'integer'"),
    (
        "a boolean in the pilot's environment",
        lambda b: _task(b)["pilot_config"].update(environment={"C": True}),
        "'tasks.0.pilot_config.environment.C': must match one of the accepted types",
    ),
    (
        "an empty list in the pilot's environment",
        lambda b: _task(b)["pilot_config"].update(environment={"C": []}),
        "'tasks.0.pilot_config.environment.C': must match one of the accepted types",
    ),
    (
        "an unknown field of pilot_config",
        lambda b: _task(b)["pilot_config"].update(image="x"),
        "'tasks.0.pilot_config': Additional properties are not allowed ('image' was unexpected)",
    ),
    *(
        (
            f"{name} in the pilot's environment",
            partial(_set_in_pilot, name),
            (
                f"tasks[0].pilot_config.environment cannot include the attribute '{name}'. "
                "Use the top-level equivalent attribute instead."
            ),
        )
        for name in (
            "EWMS_PILOT_TASK_IMAGE",
            "EWMS_PILOT_TASK_ARGS",
            "EWMS_PILOT_TASK_ENV_JSON",
            "EWMS_PILOT_INIT_IMAGE",
            "EWMS_PILOT_INIT_ARGS",
            "EWMS_PILOT_INIT_ENV_JSON",
        )
    ),
    (
        "more queues than a pilot's token can open",
        lambda b: _task(b).update(
            input_queue_aliases=[f"in-{n}" for n in range(60)], output_queue_aliases=[f"out-{n}" for n in range(60)]
        ),
        (
            f"'tasks.0.input_queue_aliases': must have at most {max_queues()} items together with "
            "'output_queue_aliases', because a pilot has one token for all of them; split the task"
        ),
    ),
    *(
        (
            f"requirements that would never be met: {text}",
            lambda b, text=text: _worker(b).update(condor_requirements=text),
            f"'tasks.0.worker_config.condor_requirements': {reason}",
        )
        for text, reason in (
            ("(Memory > 1", "has a bracket that is not closed"),
            ("Memory >", "ends with an operator"),
            ('userHome("x") == 1', "the function 'userHome' is not allowed"),
            ('X == "$ENV(HOME)"', "'$' may only stand where a regular expression ends"),
            ("true\nqueue 1000", "needs an operator before character 6"),
        )
    ),
    (
        "two at once",
        lambda b: (b.update(priority="5"), _task(b).update(task_image=1)),
        "'tasks.0.task_image': is not of type 'string'; 'priority': is not of type 'integer'",
    ),
]


@pytest.mark.parametrize(("change", "error"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_a_body_that_does_not_fit_is_refused_by_name(world: World, change: Change, error: str) -> None:
    body = request()
    change(body)
    refused(world.user.post("/workflows", body), 400, error)


@pytest.mark.parametrize("name", ["task_env", "init_env"])
def test_numbers_and_booleans_in_an_environment_are_text_in_v0_and_refused_in_v1(world: World, name: str) -> None:
    body = request(**{name: {"N": 7, "F": 0.5, "YES": True, "NO": False, "T": "x"}})
    if world.prefix == "/v0":
        stored = world.submit(body)["task_directives"][0]
        is_exactly(stored, shapes.TASK_DIRECTIVE)
        assert stored[name] == {"N": "7", "F": "0.5", "YES": "true", "NO": "false", "T": "x"}
        return
    answer = world.user.post("/workflows", body)
    assert answer.status_code == 400
    assert answer.json()["error"].startswith(f"'tasks.0.{name}.")


#: Values that have no wording in the contract; the field is named and the value is not said again.
NAMED: list[tuple[str, Change]] = [
    ("tasks.0.cluster_locations", lambda b: _task(b).update(cluster_locations=["secret-place", ALPHA])),
    ("tasks.0.n_workers", lambda b: _task(b).update(n_workers=-1)),
    ("tasks.0.n_workers", lambda b: _task(b).update(n_workers=0)),
    ("tasks.0.pilot_config.tag", lambda b: _task(b)["pilot_config"].update(tag="Secret Tag!")),
    ("tasks.0.pilot_config.image_source", lambda b: _task(b)["pilot_config"].update(image_source="secret")),
    ("tasks.0.worker_config.worker_memory", lambda b: _worker(b).update(worker_memory="secret")),
    ("tasks.0.worker_config.n_cores", lambda b: _worker(b).update(n_cores=0)),
    ("tasks.0.worker_config.max_worker_runtime", lambda b: _worker(b).update(max_worker_runtime=-1)),
    ("tasks.0.pilot_config.environment.C", lambda b: _task(b)["pilot_config"].update(environment={"C": 2**63})),
    ("tasks.0.pilot_config.environment.C", lambda b: _task(b)["pilot_config"].update(environment={"C": -(10**30)})),
    ("tasks.0.pilot_config.environment", lambda b: _task(b)["pilot_config"].update(environment={"C\0": "x"})),
    ("tasks.0.task_env", lambda b: _task(b).update(task_env={"C\0": "x"})),
    ("tasks.0", lambda b: _task(b).update(input_queue_aliases=[], output_queue_aliases=[])),
]


@pytest.mark.parametrize(("field", "change"), NAMED)
def test_a_value_that_makes_no_sense_is_400_with_the_fields_name(world: World, field: str, change: Change) -> None:
    body = request()
    change(body)
    answer = world.user.post("/workflows", body)
    assert answer.status_code == 400
    assert answer.json()["error"].startswith(f"'{field}")
    if field != "tasks.0.cluster_locations":
        assert "secret" not in answer.json()["error"].lower()


def test_a_refused_request_makes_nothing(world: World) -> None:
    marker = "nothing-of-this-is-made"
    refused(world.user.post("/workflows", {**request(task_image=marker), "foo": 1}), 400, REFUSED[4][2])
    found = ok(world.user.post("/query/task-directives", {"query": {"task_image": marker}}))
    assert found == {"task_directives": [], "next_after": None}
