"""What the client refuses before it sends anything."""

from pathlib import Path

import pytest

from ewms import CannotRun, Task, Workflow
from ewms.cli.exits import ExitStatus, error_message, exit_status_of
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
    assert error_message(caught.value).splitlines() == [
        "ewms: the request cannot run:",
        (
            "  'tasks.0.task_args': does not split into arguments as a shell splits them; "
            "close the quotation mark, or write the backslash twice"
        ),
        "  'tasks.0.task_args': {{INFIEL}} stays unchanged, because it is not a placeholder; did you mean {{INFILE}}?",
        (
            "  'tasks.0.worker_config.worker_memory': 512 without a unit means 512 bytes, and no task can run in so few"
            "; write a unit: '512M' or '512G'"
        ),
    ]
    assert exit_status_of(caught.value) is ExitStatus.USAGE


def test_what_is_only_odd_is_let_through_and_told() -> None:
    odd = body(pilot={"EWMS_PILOT_TASK_TIMEOUT": 7200}) | {"public_queue_aliases": ["in"]}
    refuse_what_cannot_run(odd)
    assert len(find_complaints(odd)) == 2


@pytest.mark.parametrize("request_", [None, 3, {}, {"tasks": []}, {"tasks": [{}], "public_queue_aliases": []}])
def test_what_is_no_request_is_refused_before_it_is_sent(request_: object) -> None:
    with pytest.raises(CannotRun):
        refuse_what_cannot_run(request_)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (float("nan"), "is nan, which is not a number in JSON; write a finite number"),
        ({1, 2}, "is a set, which JSON cannot hold; write a list: sorted(...)"),
        (b"a", "is bytes, which JSON cannot hold; write a text: .decode()"),
        (Path("/data"), "is a PosixPath, which JSON cannot hold; write a text, a number, a list or a dict; str(...)"),
        ({("a", 1): 2}, "has a name that is a tuple, and names are texts; write texts for its names"),
        (10**2000, "is a number with over a thousand digits; write a smaller number"),
    ],
)
def test_what_no_json_can_hold_is_refused_by_its_field_and_hides_nothing(value: object, said: str) -> None:
    request = Workflow(public=["in", "out"], tasks=[Task(image="i", args="x", inputs=["in"], outputs=["out"])]).request(
        ["here"]
    )
    request["tasks"][0] |= {"task_image": value, "n_workers": 0}
    with pytest.raises(CannotRun) as caught:
        refuse_what_cannot_run(request)
    first, second = map(str, caught.value.complaints)
    assert first.startswith(f"'tasks.0.task_image': {said}")
    assert second.startswith("'tasks.0.n_workers': is 0")


def test_a_request_that_holds_itself_is_refused() -> None:
    request: dict[str, object] = {}
    request["tasks"] = [request]
    with pytest.raises(Rejected, match="nested too deeply"):
        refuse_what_cannot_run(request)


def test_a_wrong_cluster_stands_in_the_same_list_where_the_clusters_are_known() -> None:
    wrong = body(n_workers=0)
    with pytest.raises(CannotRun) as caught:
        refuse_what_cannot_run(wrong, {"heer": ""})
    lines = [complaint.where for complaint in caught.value.complaints]
    assert lines == ["tasks.0.n_workers", "tasks.0.cluster_locations"]
