"""Which requests of fleet workflows a job template may hold."""

from typing import Any

import pytest

from schemas.errors import Rejected
from wms.trees.templates.fleet_request_check import check_fleet_request


def make_request(**of_task: Any) -> dict[str, Any]:
    """Return a request of one task with these fields."""
    worker = {
        "do_transfer_worker_stdouterr": True,
        "max_worker_runtime": 60,
        "n_cores": 1,
        "priority": 1,
        "worker_disk": "1GB",
        "worker_memory": "1GB",
    }
    task = {
        "cluster_locations": ["local"],
        "input_queue_aliases": ["in"],
        "output_queue_aliases": [],
        "task_image": "here",
        "task_args": "run",
        "n_workers": 1,
        "worker_config": worker,
    }
    return {"public_queue_aliases": ["in"], "tasks": [{**task, **of_task}]}


@pytest.mark.parametrize(
    "request_of_template",
    [
        make_request(),
        make_request(n_workers="${n}", cluster_locations="${sites}"),
        make_request(worker_config={"n_cores": "${cores}", **make_request()["tasks"][0]["worker_config"]}),
        {**make_request(), "tasks": "${tasks}"},
    ],
)
def test_a_request_that_a_launch_can_complete_is_taken(request_of_template: dict[str, Any]) -> None:
    check_fleet_request(request_of_template)


@pytest.mark.parametrize(
    ("request_of_template", "fault"),
    [
        ({"a": 1}, "'tasks': is missing"),
        ({"a": "${b}"}, "'a': is not a field that EWMS knows"),
        (make_request(n_workers="many"), "'tasks.0.n_workers': is a text, and must be a whole number"),
        ({**make_request(), "oops": 1}, "'oops': is not a field that EWMS knows"),
        (make_request(oops="${n}"), "'tasks.0.oops'"),
    ],
)
def test_a_request_that_no_launch_can_carry_out_is_refused(request_of_template: dict[str, Any], fault: str) -> None:
    with pytest.raises(Rejected) as refused:
        check_fleet_request(request_of_template)
    assert refused.value.reason.startswith("request: ")
    assert fault in refused.value.reason
