import json
from typing import Any

import pytest
from pydantic import ValidationError

from schemas.api.workflows.requests import AddWorkersRequest, WorkflowRequest

WORKER = {
    "do_transfer_worker_stdouterr": True,
    "max_worker_runtime": 600,
    "n_cores": 1,
    "priority": 99,
    "worker_disk": "512M",
    "worker_memory": "512M",
}
TASK = {
    "cluster_locations": ["sub-2"],
    "input_queue_aliases": ["in"],
    "output_queue_aliases": ["out"],
    "task_image": "/cvmfs/x:1",
    "task_args": "cp {{INFILE}} {{OUTFILE}}",
    "n_workers": 1000,
    "worker_config": WORKER,
}


def request(**task: Any) -> dict[str, Any]:
    return {"public_queue_aliases": ["in", "out"], "tasks": [{**TASK, **task}]}


def test_the_first_published_example_is_taken_as_it_stands() -> None:
    taken = WorkflowRequest.model_validate_json(json.dumps(request()))
    assert taken.priority == 50
    assert taken.tasks[0].worker_config.condor_requirements == ""
    assert taken.tasks[0].pilot_config.tag == "latest"


@pytest.mark.parametrize("pilot", [{"tag": "1.2.3"}, {"environment": {"A": 1, "B": ["x"], "C": "y"}}, {}])
def test_a_partial_pilot_config_is_completed(pilot: dict[str, Any]) -> None:
    config = WorkflowRequest.model_validate(request(pilot_config=pilot)).tasks[0].pilot_config
    assert config.tag == pilot.get("tag", "latest")
    assert set(config.environment) == set(pilot.get("environment", {}))
    assert config.input_files == []


@pytest.mark.parametrize(
    ("where", "change"),
    [
        ("colour", {"colour": "red"}),
        ("n_workers", {"n_workers": "12"}),
        ("n_workers", {"n_workers": 0}),
        ("n_workers", {"n_workers": True}),
        ("cluster_locations", {"cluster_locations": []}),
        ("cluster_locations", {"cluster_locations": ["a", "a"]}),
        ("task_env", {"task_env": {"A B": "x"}}),
        ("task_env", {"task_env": {"A": 1}}),
        ("pilot_config", {"pilot_config": {"environment": {"A": True}}}),
        ("pilot_config", {"pilot_config": {"environment": {"A": []}}}),
        ("pilot_config", {"pilot_config": {"environment": {"A": 2**53 + 1}}}),
        ("pilot_config", {"pilot_config": {"environment": {"A": -(2**63)}}}),
        ("pilot_config", {"pilot_config": {"tag": "../../x"}}),
        ("worker_config", {"worker_config": {**WORKER, "worker_memory": "lots"}}),
        ("worker_config", {"worker_config": {**WORKER, "condor_requirements": "true\0"}}),
        ("worker_config", {"worker_config": {k: v for k, v in WORKER.items() if k != "n_cores"}}),
        ("task_image", {"task_image": "a\x1b[31mb"}),
        ("task_image", {"task_image": ""}),
    ],
)
def test_a_bad_field_is_named(where: str, change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as caught:
        WorkflowRequest.model_validate(request(**change))
    assert all(where in problem["loc"] for problem in caught.value.errors())


def test_requirements_over_several_lines_are_one() -> None:
    worker = {**WORKER, "condor_requirements": "Memory > 1\r\n&&\nDisk > 2\n"}
    config = WorkflowRequest.model_validate(request(worker_config=worker)).tasks[0].worker_config
    assert config.condor_requirements == "Memory > 1 && Disk > 2"


def test_add_workers_requires_both_fields() -> None:
    AddWorkersRequest.model_validate({"cluster_location": "osg", "n_workers": None})
    with pytest.raises(ValidationError):
        AddWorkersRequest.model_validate({"cluster_location": "osg"})
