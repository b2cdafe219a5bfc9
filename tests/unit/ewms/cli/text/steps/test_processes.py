"""What the command shows of a process: steps with marks and times, the failure, and what to type next."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ewms.cli.text.steps.processes import describe_failure, find_next_command, log_lines, process_lines
from schemas.api.processes import ProcessAct, ProcessDetail, ProcessStep
from schemas.engine.processes import Assignee, ProcessStatus, StepStatus

T0 = datetime(2026, 11, 29, 8, tzinfo=UTC)
FAILURE = {"class": "ControllerDown", "error": "no answer"}


def step(
    name: str, status: StepStatus, *, began: float | None = None, took: float | None = None, **more: Any
) -> ProcessStep:
    started = None if began is None else T0 + timedelta(seconds=began)
    completed = None if started is None or took is None else started + timedelta(seconds=took)
    return ProcessStep(key=name, name=name, status=status, started=started, completed=completed, **more)


def process(status: ProcessStatus, *steps: ProcessStep, **more: Any) -> ProcessDetail:
    fields: dict[str, Any] = {
        "process_id": "p-1",
        "run": 7,
        "workflow_name": "create_node",
        "workflow_target": "CREATE",
        "is_task": False,
        "status": status,
        "last_status": status,
        "last_step": None,
        "assignee": Assignee.SYSTEM,
        "failed_reason": None,
        "traceback": None,
        "explanation": "",
        "created_by": "ada",
        "customer_id": None,
        "product_id": None,
        "parent": None,
        "note": None,
        "created_at": T0,
        "started_at": T0,
        "ended_at": None,
        "subscription_ids": [],
        "last_modified_at": T0,
        "steps": list(steps),
        "acts": [],
        "current_state": {},
        "form": None,
        "subscriptions": [],
        "children": [],
    }
    return ProcessDetail(**{**fields, **more})


def test_a_failed_process_shows_its_steps_the_error_and_the_retry() -> None:
    shown = process(
        ProcessStatus.FAILED,
        step("Start", StepStatus.SUCCESS, began=0, took=0.1, attempt=1),
        step("Add the device", StepStatus.FAILED, began=1, took=0.5, attempt=2, state_delta=FAILURE),
        step("Done", StepStatus.PENDING),
    )
    assert [line.plain for line in process_lines(shown, T0)] == [
        "create_node  p-1  failed",
        "started by ada, 2026-11-29 08:00:00 UTC",
        "  ✓ Start  0.1 s",
        "  ✗ Add the device  0.5 s  attempt 2",
        "      ControllerDown: no answer",
        "  · Done",
        "  next: ewms process retry p-1    begins again at the step that failed",
    ]


def test_a_step_under_way_is_timed_until_now() -> None:
    shown = process(ProcessStatus.RUNNING, step("Work", StepStatus.PENDING, began=0))
    assert "  · Work  7.0 s" in [line.plain for line in process_lines(shown, T0 + timedelta(seconds=7))]


def test_a_step_that_awaits_its_callback_shows_the_progress_of_the_outside_system() -> None:
    waiting = step("Call", StepStatus.AWAITING_CALLBACK, began=0, progress={"done": 50, "text": "\x1b[2J"})
    shown = process(ProcessStatus.AWAITING_CALLBACK, waiting)
    assert r'      progress: {"done": 50, "text": "\u001b[2J"}' in [line.plain for line in process_lines(shown, T0)]


@pytest.mark.parametrize("status", list(ProcessStatus))
def test_every_status_has_a_next_command(status: ProcessStatus) -> None:
    command = find_next_command(process(status))
    words = {"suspended": "resume", "completed": "list", "aborted": "list"}
    failed = status in (ProcessStatus.FAILED, ProcessStatus.API_UNAVAILABLE, ProcessStatus.INCONSISTENT_DATA)
    assert f"ewms process {'retry' if failed else words.get(status, 'watch')}" in command


def test_a_completed_process_points_at_the_workflows_of_its_subscription() -> None:
    assert (
        find_next_command(process(ProcessStatus.COMPLETED, subscription_ids=["s-1"]))
        == "ewms subscription workflows s-1"
    )


def test_the_log_has_attempts_and_acts_in_the_order_of_time() -> None:
    shown = process(
        ProcessStatus.COMPLETED,
        step("Work", StepStatus.FAILED, began=1, took=1, attempt=1, state_delta=FAILURE),
        step("Work", StepStatus.SUCCESS, began=4, took=1, attempt=2),
        acts=[ProcessAct(act="resume", who="bob", why="it is back", at=T0 + timedelta(seconds=3))],
    )
    assert [line.partition("  ")[2] for line in log_lines(shown)] == [
        "Work: failed, attempt 1: ControllerDown: no answer",
        "resume by bob: it is back",
        "Work: success, attempt 2",
    ]


def test_an_error_without_text_is_named_all_the_same() -> None:
    assert describe_failure({"class": "KeyError"}) == "KeyError: without a text"
