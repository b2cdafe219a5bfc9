"""One call of a step: its arguments, its result, its error, and what takes effect."""

import os
from collections.abc import Callable
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any
from uuid import UUID, uuid4

import pytest
from pydantic import BaseModel

from ewms.steps import (
    InconsistentDataError,
    ProcessFailureError,
    State,
    StepList,
    SubscriptionLifecycle,
    Target,
    begin,
    start_process,
    state_event,
    step,
    task,
)
from ewms.steps.outcomes import StatedEvent
from ewms.steps.testing import Rehearsal, RehearsedProcess
from schemas.engine.runs import MAX_STATE_BYTES


def run(
    rehearsal: Rehearsal, function: Callable[..., Any], state: State | None = None, **kwargs: Any
) -> RehearsedProcess:
    return rehearsal.run_steps(begin >> step("One")(function), state, **kwargs)


def failure(process: RehearsedProcess) -> str:
    assert process.status != "completed"
    error = process.journal[-1].error
    return f"{error['class']}: {error['error']}"


def test_o14_a_missing_key_fails_the_step_by_key_and_function(rehearsal: Rehearsal) -> None:
    def construct_node(node_name: str) -> None: ...

    assert failure(run(rehearsal, construct_node)) == (
        "MissingKey: the state has no key 'node_name', which construct_node takes as an argument"
    )


def test_o14_arguments_come_by_name_and_defaults_count(rehearsal: Rehearsal) -> None:
    def look(b: int, *args: Any, a: str, c: int = 7, **rest: Any) -> State:
        return {"seen": [a, b, c, list(args), rest]}

    assert run(rehearsal, look, {"a": "A", "b": 2, "x": 0}).state["seen"] == ["A", 2, 7, [], {}]


def test_s9_annotations_other_than_uuids_and_models_convert_nothing(rehearsal: Rehearsal) -> None:
    def look(a: int, b: list[int], c: str | None) -> State:
        return {"seen": [a, b, c]}

    assert run(rehearsal, look, {"a": "7", "b": ["1"], "c": 3}).state["seen"] == ["7", ["1"], 3]


def test_uuids_are_made_of_their_text(rehearsal: Rehearsal) -> None:
    one, other = uuid4(), uuid4()

    def look(a: UUID, b: list[UUID], c: UUID | None, d: "UUID", e: UUID | None) -> State:
        return {"right": (a, b, c, d, e) == (one, [one, other], None, other, None)}

    state = {"a": str(one), "b": [str(one), str(other)], "c": None, "d": str(other)}
    assert run(rehearsal, look, state).state["right"] is True


@pytest.mark.parametrize("annotation", [list[Any], list])
def test_a_list_of_anything_is_refused(rehearsal: Rehearsal, annotation: Any) -> None:
    def look(a: Any) -> None: ...

    look.__annotations__["a"] = annotation
    assert "say what the list holds" in failure(run(rehearsal, look, {"a": []}))


def test_an_annotation_that_means_nothing_at_run_time_is_told(rehearsal: Rehearsal) -> None:
    def look(a: "Nowhere") -> None:  # type: ignore[name-defined]  # noqa: F821 - the fault that is tested
        ...

    assert "import the name outside of `if TYPE_CHECKING`" in failure(run(rehearsal, look, {"a": 1}))


def test_o35_state_is_the_whole_state_and_changing_it_changes_nothing(rehearsal: Rehearsal) -> None:
    def spoil(state: State) -> State:
        state["list"].append(2)
        state["new"] = 1
        return {"n": len(state["list"])}

    assert run(rehearsal, spoil, {"list": [1]}).state == {"list": [1], "n": 2}


def test_o36_s7_what_a_step_returns_is_json_for_the_next(rehearsal: Rehearsal) -> None:
    class Page(BaseModel):
        at: datetime

    one = UUID("3f6b2c1a-5b0e-4b5e-8c2e-0a1b2c3d4e5f")

    def make() -> State:
        moment = datetime(2026, 1, 2, tzinfo=UTC)
        return {
            "id": one,
            "status": SubscriptionLifecycle.ACTIVE,
            "address": ip_address("::1"),
            "page": Page(at=moment),
            "set": {3, 1},
            "empty": set(),
            "tuple": (1, 2),
            "keys": {1: "a", one: "b"},
        }

    process = rehearsal.run_steps(begin >> step("Make")(make)).expect("completed")
    assert process.state == {
        "id": str(one),
        "status": "active",
        "address": "::1",
        "page": {"at": "2026-01-02T00:00:00Z"},
        "set": [1, 3],
        "empty": [],
        "tuple": [1, 2],
        "keys": {"1": "a", str(one): "b"},
    }
    assert type(process.state["status"]) is str


@pytest.mark.parametrize("value", [[], "text", 3, (n for n in ())])
def test_s8_a_result_that_is_no_dictionary_fails_the_step(rehearsal: Rehearsal, value: Any) -> None:
    assert failure(run(rehearsal, lambda: value)).startswith("TypeError: 'One' returned a ")


def test_s8_nothing_is_an_empty_result(rehearsal: Rehearsal) -> None:
    assert run(rehearsal, lambda: None, {"a": 1}).state == {"a": 1}


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ({"deep": {"list": [1, object()]}}, "deep.list.1 is a object"),
        ({"n": float("nan")}, "n is nan"),
        ({"d": {None: 1}}, "JSON's keys are text"),
    ],
)
def test_s8_a_value_that_is_no_json_fails_the_step_by_its_path(rehearsal: Rehearsal, value: State, told: str) -> None:
    assert told in failure(run(rehearsal, lambda: value))


def test_a_state_that_grows_too_large_fails_the_step_by_its_largest_key(rehearsal: Rehearsal) -> None:
    told = failure(run(rehearsal, lambda: {"small": "x" * 1000, "large": "x" * MAX_STATE_BYTES}))
    assert told.startswith("StateTooLarge")
    assert "the largest key is 'large'" in told


def test_o6_a_failed_step_leaves_nothing_behind(rehearsal: Rehearsal) -> None:
    def fail(state: State) -> None:
        state["a"] = 2
        start_process("other")
        raise RuntimeError("no")

    process = run(rehearsal, fail, {"a": 1})
    assert (process.state, process.children, len(rehearsal.processes)) == ({"a": 1}, [], 1)


def test_s11_a_system_exit_is_a_failed_step(rehearsal: Rehearsal) -> None:
    def leave() -> None:
        raise SystemExit(3)

    assert failure(run(rehearsal, leave)) == "SystemExit: 3"


def test_an_interrupt_of_the_whole_program_passes_through(rehearsal: Rehearsal) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(rehearsal, interrupt)


def test_a_coroutine_function_is_awaited(rehearsal: Rehearsal) -> None:
    async def look() -> State:
        return {"a": 1}

    assert run(rehearsal, look).state == {"a": 1}


class ApiError(Exception):
    def __init__(self, status: int) -> None:
        super().__init__(f"answered {status}")
        self.status = status
        self.body = "<html>"
        self.headers = {"Retry-After": "3"}


class MaxRetryError(Exception):
    pass


@pytest.mark.parametrize(
    ("error", "of_task", "of_workflow"),
    [
        (AssertionError("differs"), "inconsistent_data", "failed"),
        (InconsistentDataError("differs"), "inconsistent_data", "failed"),
        (MaxRetryError("away"), "api_unavailable", "failed"),
        (ApiError(502), "api_unavailable", "failed"),
        (ApiError(503), "api_unavailable", "failed"),
        (ApiError(504), "api_unavailable", "failed"),
        (ApiError(500), "failed", "failed"),
        (ValueError("no"), "failed", "failed"),
    ],
)
def test_o31_what_an_error_means_depends_on_task_or_workflow(
    rehearsal: Rehearsal, error: Exception, of_task: str, of_workflow: str
) -> None:
    def fail() -> None:
        raise error

    task_run = run(rehearsal, fail, target=Target.SYSTEM)
    assert (task_run.status, task_run.assignee) == (of_task, "NOC" if of_task == "inconsistent_data" else "SYSTEM")
    assert run(rehearsal, fail, target=Target.MODIFY).status == of_workflow


def test_s18_the_log_has_what_an_error_brings(rehearsal: Rehearsal) -> None:
    def fail(error: str) -> None:
        raise ApiError(503) if error == "api" else ProcessFailureError("no port", details={"port": {1}})

    described = run(rehearsal, fail, {"error": "api"}).journal[-1].error
    assert (described["status_code"], described["body"], described["headers"]) == (503, "<html>", {"Retry-After": "3"})
    assert run(rehearsal, fail, {"error": "own"}).journal[-1].error["details"] == {"port": [1]}


def test_a_result_can_remove_keys_and_replace_the_state(rehearsal: Rehearsal) -> None:
    assert run(rehearsal, lambda: {"b": 1, "__remove_keys": ["a"]}, {"a": 1}).state == {"b": 1}
    assert run(rehearsal, lambda: {"__replace_last_state": {"c": 1}}, {"a": 1}).state == {"c": 1}


def test_s15_children_start_with_the_success_of_their_step_and_only_once(rehearsal: Rehearsal) -> None:
    attempts: list[list[UUID]] = []

    @task("Child")
    def a_child() -> StepList:
        return begin >> step("Work")(lambda: {"worked": os.getpid()})

    def start_children() -> State:
        attempts.append([start_process("a_child") for _ in range(3)])
        if len(attempts) == 1:
            raise RuntimeError("after the starts")
        return {"started": attempts[-1]}

    process = run(rehearsal, start_children).expect("failed")
    assert len(rehearsal.processes) == 1

    process.retry().expect("completed")
    assert attempts[0] == attempts[1]
    assert process.children == attempts[0]
    assert [rehearsal.processes[one].status for one in process.children] == ["completed"] * 3


def test_an_abort_by_a_step_is_for_good(rehearsal: Rehearsal) -> None:
    from ewms.steps import ProcessAborted
    from ewms.steps.testing import WrongStatus

    def give_up() -> None:
        raise ProcessAborted("withdrawn")

    process = run(rehearsal, give_up).expect("aborted")
    with pytest.raises(WrongStatus, match="aborted, so it cannot be resumed"):
        process.retry()


def test_an_event_is_stated_by_a_step_that_clears_and_by_no_other(rehearsal: Rehearsal) -> None:
    @step("Enroll")
    def enroll(fails: bool) -> State:
        state_event("node.enrolled", {"at": UUID(int=1)}, correlation="12")
        if fails:
            raise ValueError("no")
        return {}

    failed = rehearsal.run_steps(begin >> enroll, {"fails": True}).expect("failed")
    cleared = rehearsal.run_steps(begin >> enroll, {"fails": False}).expect("completed")

    assert failed.events == []
    assert cleared.events == [StatedEvent(name="node.enrolled", body={"at": str(UUID(int=1))}, correlation="12")]


def test_an_event_that_is_no_json_fails_its_step(rehearsal: Rehearsal) -> None:
    @step("State")
    def state_object() -> None:
        state_event("x", {"object": object()})

    failed = rehearsal.run_steps(begin >> state_object).expect("failed")
    assert failed.journal[-1].error["error"] == "body.object is a object, which JSON cannot hold"
