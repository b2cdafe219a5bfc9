"""What the client refuses before it sends anything."""

import pytest

from ewms import CannotRun, Task, Workflow
from ewms.cli.exits import Exit, exit_of, message
from ewms.workflows.checking import find_complaints, refuse_what_cannot_run
from schemas.errors import Rejected


def body(**changes: object) -> dict[str, object]:
    values: dict[str, object] = {
        "image": "none",
        "args": "cp {{INFILE}} {{OUTFILE}}",
        "inputs": ["in"],
        "outputs": ["out"],
    }
    task = Task(**(values | changes), clusters=["here"])  # type: ignore[arg-type]  # what a caller may write is the point
    return Workflow(public=["in", "out"], tasks=[task]).request()


def test_a_request_that_can_run_is_let_through() -> None:
    refuse_what_cannot_run(body())
    assert find_complaints(body()) == []


def test_a_request_that_cannot_run_is_refused_with_one_line_for_each_complaint() -> None:
    with pytest.raises(CannotRun) as caught:
        refuse_what_cannot_run(body(args="cp '{{INFIEL}}", memory=512))
    assert message(caught.value).splitlines() == [
        "ewms: the request cannot run:",
        (
            "  'tasks.0.task_args': does not split into arguments like a shell's; "
            "close the quotation mark, or write the backslash twice"
        ),
        "  'tasks.0.task_args': {{INFIEL}} is left as it is, for it is no placeholder; did you mean {{INFILE}}?",
        (
            "  'tasks.0.worker_config.worker_memory': 512 without a unit is so many bytes, in which no task can run; "
            "write a unit: '512M' or '512G'"
        ),
    ]
    assert exit_of(caught.value) is Exit.USAGE


def test_what_is_only_odd_is_let_through_and_told() -> None:
    odd = body(pilot={"EWMS_PILOT_TASK_TIMEOUT": 7200}) | {"public_queue_aliases": ["in"]}
    refuse_what_cannot_run(odd)
    assert len(find_complaints(odd)) == 2


@pytest.mark.parametrize("request_", [None, 3, {}, {"tasks": []}, {"tasks": [{}], "public_queue_aliases": []}])
def test_what_is_no_request_is_refused_before_it_is_sent(request_: object) -> None:
    with pytest.raises(CannotRun):
        refuse_what_cannot_run(request_)


@pytest.mark.parametrize("request_", [{"x": float("nan")}, {"x": {1, 2}}, {"x": b"a"}])
def test_what_no_json_can_hold_is_refused_by_name(request_: object) -> None:
    with pytest.raises(Rejected, match="cannot be written as JSON") as caught:
        refuse_what_cannot_run(request_)
    assert caught.value.hint


def test_a_wrong_cluster_stands_in_the_same_list_where_the_clusters_are_known() -> None:
    wrong = body(n_workers=0)
    with pytest.raises(CannotRun) as caught:
        refuse_what_cannot_run(wrong, ["heer"])
    lines = [complaint.where for complaint in caught.value.complaints]
    assert lines == ["tasks.0.n_workers", "tasks.0.cluster_locations"]
