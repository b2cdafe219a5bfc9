"""The document of a process: its steps with every attempt, what people did, its state, and who has to act."""

from typing import Any

import pytest

from schemas.api.processes import ChildProcess
from schemas.engine.graph import WaitKind
from schemas.engine.processes import Assignee, ProcessStatus, StepStatus
from schemas.engine.runs import NodeStatus, RunStatus, Wait, Want, WantKind
from tests.unit.wms.processes.process_runs import T0, UUID, at, make_error, make_node, make_process, make_row
from wms.processes.process_documents import describe_process, is_task, summarize_process, view_run

N, S = NodeStatus, StepStatus
LAUNCH = make_row(1, None, "created", act="launch", who="ada")


def test_o20_a_completed_process_shows_each_step_once_and_done_as_complete() -> None:
    run = make_process([N.SUCCESSFUL, N.SUCCESSFUL, N.SKIPPED, N.SUCCESSFUL], RunStatus.SUCCESSFUL, ended_at=at(5))
    rows = [
        LAUNCH,
        make_row(2, 0, "successful", delta={"a": 1}, who="w1", started_at=at(1), name="Start", attempt=1),
        make_row(3, 1, "successful", delta={"b": 2}, who="ada", name="Ask", attempt=1),
        make_row(4, 2, "skipped", name="Work", attempt=1),
        make_row(5, 3, "successful", name="Done", attempt=1),
    ]
    document = describe_process(run, rows)
    assert [(step.name, step.status) for step in document.steps] == [
        ("Start", S.SUCCESS),
        ("Ask", S.SUCCESS),
        ("Work", S.SKIPPED),
        ("Done", S.COMPLETE),
    ]
    first = document.steps[0]
    assert (first.started, first.completed, first.created_by, first.state_delta) == (at(1), at(2), "w1", {"a": 1})
    assert document.status is document.last_status is ProcessStatus.COMPLETED
    assert document.last_modified_at == at(5)
    assert (document.process_id, document.run, document.created_at) == (UUID, 7, T0)


def test_o2_a_failed_attempt_stays_when_the_retry_succeeds_and_steps_to_come_are_pending() -> None:
    run = make_process([N.SUCCESSFUL, N.TAKEN, N.PENDING, N.PENDING], RunStatus.RUNNING)
    rows = [
        LAUNCH,
        make_row(2, 0, "halted", error=make_error(port=3), attempt=1, who="w1"),
        make_row(3, None, "halted", act="resume", who="bob"),
        make_row(4, 0, "successful", delta={"a": 1}, attempt=2, who="w2"),
    ]
    document = describe_process(run, rows)
    assert [step.status for step in document.steps] == [S.FAILED, S.SUCCESS, S.PENDING, S.PENDING, S.PENDING]
    failed = document.steps[0]
    assert failed.state_delta == {
        "class": "ValueError",
        "error": "no port",
        "traceback": "Traceback ...",
        "port": 3,
    }
    assert [(act.act, act.who) for act in document.acts] == [("launch", "ada"), ("resume", "bob")]


def test_the_same_failure_again_is_one_step_with_its_repetitions() -> None:
    run = make_process([make_node(0, N.HALTED, error=make_error()), N.PENDING, N.PENDING, N.PENDING], RunStatus.HALTED)
    same: dict[str, Any] = {"error": make_error(), "who": "w1"}
    rows = [
        LAUNCH,
        make_row(2, 0, "halted", **same, attempt=1, started_at=at(1)),
        make_row(3, None, "halted", act="resume", who="bob"),
        make_row(4, 0, "halted", **same, attempt=2),
        make_row(5, 0, "halted", **same, attempt=3),
    ]
    first = describe_process(run, rows).steps[0]
    assert (first.retries, first.completed_at, first.attempt) == (2, (at(2), at(4), at(5)), 3)
    assert (first.started, first.completed) == (at(1), at(5))


@pytest.mark.parametrize(
    "change",
    [{"error": make_error(message="other")}, {"error": make_error("KeyError")}, {"who": "w2"}, {"status": "retrying"}],
)
def test_another_failure_is_a_step_of_its_own(change: dict[str, Any]) -> None:
    run = make_process([make_node(0, N.HALTED, error=make_error()), N.PENDING, N.PENDING, N.PENDING], RunStatus.HALTED)
    first: dict[str, Any] = {"error": make_error(), "who": "w1", "status": "halted"}
    rows = [make_row(2, 0, **first), make_row(3, 0, **{**first, **change})]
    assert len(describe_process(run, rows).steps) == 2 + 3


def test_two_successes_with_the_same_values_are_two_steps() -> None:
    run = make_process([N.SUCCESSFUL, N.SUCCESSFUL, N.PENDING, N.PENDING], RunStatus.RUNNING)
    rows = [make_row(2, 0, "successful"), make_row(3, 0, "successful")]
    assert [step.retries for step in describe_process(run, rows).steps[:2]] == [0, 0]


def test_a_suspended_process_shows_the_step_that_asks_and_its_form() -> None:
    asks = make_node(1, N.WAITING, wait=WaitKind.INPUT, started_at=at(2), attempt=1)
    run = make_process([N.SUCCESSFUL, asks, N.PENDING, N.PENDING], RunStatus.WAITING)
    document = describe_process(run, [LAUNCH, make_row(2, 0, "successful")], form={"type": "object"})
    assert document.status is ProcessStatus.SUSPENDED
    assert document.last_step == "Ask"
    assert document.form == {"type": "object"}
    assert [step.status for step in document.steps] == [S.SUCCESS, S.SUSPEND, S.PENDING, S.PENDING]
    assert document.steps[1].completed is None


def test_r6_a_step_that_awaits_its_callback_shows_how_far_the_outside_system_has_come() -> None:
    wait = Wait(kind=WaitKind.CALLBACK, progress={"done": 50})
    asks = make_node(1, N.WAITING, started_at=at(2), attempt=1).model_copy(update={"wait": wait})
    run = make_process([N.SUCCESSFUL, asks, N.PENDING, N.PENDING], RunStatus.WAITING)
    assert [step.progress for step in describe_process(run, [LAUNCH]).steps] == [{"done": 50}, None, None]


def test_a_failed_process_says_why_who_has_to_act_and_where() -> None:
    error = make_error("AssertionError", "no node", status="inconsistent_data", assignee="NOC")
    run = make_process(
        [N.SUCCESSFUL, N.SUCCESSFUL, make_node(2, N.HALTED, error=error), N.PENDING],
        RunStatus.HALTED,
        state={"workflow_target": "SYSTEM"},
    )
    line = summarize_process(view_run(run))
    assert (line.status, line.assignee, line.is_task) == (ProcessStatus.INCONSISTENT_DATA, Assignee.NOC, True)
    assert (line.failed_reason, line.traceback, line.last_step) == ("no node", "Traceback ...", "Work")


def test_a_run_that_ended_by_a_failure_still_says_why() -> None:
    run = make_process(
        [N.SUCCESSFUL, make_node(1, N.ERROR, error=make_error("WorkerLost", "gone")), N.PASSED, N.PASSED],
        RunStatus.ERROR,
    )
    document = describe_process(run, [LAUNCH, make_row(2, 1, "error", error=make_error("WorkerLost", "gone"))])
    assert (document.status, document.failed_reason) == (ProcessStatus.FAILED, "gone")
    assert [step.status for step in document.steps] == [S.FAILED], "what never ran is not shown any more"


def test_an_abort_names_its_user_at_the_step_that_it_ended() -> None:
    run = make_process([N.SUCCESSFUL, N.CANCELED, N.PASSED, N.PASSED], RunStatus.CANCELED)
    rows = [
        LAUNCH,
        make_row(2, 0, "successful"),
        make_row(3, None, "waiting", act="cancel", who="bob", why="withdrawn"),
        make_row(4, 1, "canceled"),
    ]
    document = describe_process(run, rows)
    assert document.status is ProcessStatus.ABORTED
    assert [(step.name, step.status, step.created_by) for step in document.steps[1:]] == [("Ask", S.ABORT, "bob")]
    assert [(act.act, act.who, act.why) for act in document.acts][-1] == ("cancel", "bob", "withdrawn")


def test_an_abort_while_a_step_ran_is_a_row_of_its_own_after_that_step() -> None:
    run = make_process([N.SUCCESSFUL, N.PASSED, N.PASSED, N.PASSED], RunStatus.CANCELED)
    rows = [LAUNCH, make_row(2, None, "running", act="cancel", who="bob"), make_row(3, 0, "successful")]
    steps = describe_process(run, rows).steps
    assert [(step.status, step.created_by) for step in steps] == [(S.ABORT, "bob"), (S.SUCCESS, "")]


def test_a_step_that_aborts_its_process_shows_its_reason() -> None:
    run = make_process([N.CANCELED, N.PASSED, N.PASSED, N.PASSED], RunStatus.CANCELED)
    rows = [LAUNCH, make_row(2, 0, "canceled", error=make_error("ProcessAborted", "withdrawn"), who="w1")]
    (step,) = describe_process(run, rows).steps
    assert (step.status, step.state_delta["error"], step.created_by) == (S.ABORT, "withdrawn", "w1")


@pytest.mark.parametrize(
    ("want", "said"),
    [(WantKind.STOP, "it is being stopped"), (WantKind.CANCEL, "it is being aborted"), (WantKind("x"), "")],
)
def test_a_wish_that_waits_for_a_step_is_explained(want: WantKind, said: str) -> None:
    run = make_process([N.TAKEN, N.PENDING, N.PENDING, N.PENDING], RunStatus.RUNNING, want=Want(kind=want, at=T0))
    assert summarize_process(view_run(run)).explanation == said


def test_a_step_without_a_worker_says_so() -> None:
    due = make_node(0, N.DUE, attempt=1, explanation="no step worker of the pool 'default' is there")
    run = make_process([due, N.PENDING, N.PENDING, N.PENDING], RunStatus.RUNNING)
    document = describe_process(run, [LAUNCH])
    assert document.explanation == document.steps[0].explanation == due.explanation


def test_masked_values_are_never_shown() -> None:
    run = make_process([N.SUCCESSFUL, N.PENDING, N.PENDING, N.PENDING], RunStatus.RUNNING, masked=("pin",))
    document = describe_process(run, [make_row(2, 0, "successful", delta={"pin": "1234"})])
    assert "1234" not in document.model_dump_json()


def test_children_subscriptions_and_notes_are_listed() -> None:
    run = make_process(
        [N.PENDING] * 4, RunStatus.CREATED, subscriptions=("s1",), note="careful", state={"subscription_id": "s0"}
    )
    child = ChildProcess(process_id="c", workflow_name="validate", status=ProcessStatus.RUNNING)
    document = describe_process(run, [LAUNCH], children=[child], subscriptions=[{"subscription_id": "s1", "a": 1}])
    assert document.children == [child]
    assert document.model_dump()["subscriptions"] == [{"subscription_id": "s1", "a": 1}]
    assert (document.note, document.subscription_ids) == ("careful", ["s1"])
    bare = make_process([N.PENDING] * 4, RunStatus.CREATED, state={"subscription_id": "s0"})
    assert describe_process(bare, []).model_dump()["subscriptions"] == [{"subscription_id": "s0"}]


def test_o32_tasks_are_known_by_their_target() -> None:
    assert [is_task(target) for target in ("SYSTEM", "VALIDATE", "RECONCILE")] == [True] * 3
    assert [is_task(target) for target in ("CREATE", "MODIFY", "TERMINATE", "SOMETHING", None)] == [False] * 5
