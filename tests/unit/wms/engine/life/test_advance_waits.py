"""The one decision about a run: nodes that wait. Tests name the contract's rows they prove."""

import hashlib
from datetime import timedelta

import pytest

from schemas.engine.graph import BranchingProfile, EdgeKind
from schemas.engine.runs import Outcome, RunStatus
from schemas.errors import Conflict
from schemas.ids import NodeKey
from tests.unit.wms.engine.graphs import make_graph
from tests.unit.wms.engine.walking import NOW, Walk, chain, step, wait
from wms.engine.life.node_orders import make_node_run
from wms.engine.life.stimuli import CallbackProgress
from wms.engine.life.waiting import AnswerVerdict, make_callback_token

S, F = EdgeKind.SUCCESS, EdgeKind.FAILURE
DAG = BranchingProfile.DAG


def test_a_callback_that_comes_before_the_wait_is_kept_and_found() -> None:
    walk = chain(step("a", opens=1), wait("w", "callback", wait_result_key="r"), "b").begin()
    token = make_callback_token("s3cret", NodeKey("a"), 1)
    assert walk.answer("w", body={"ok": 1}, token=token) is AnswerVerdict.KEPT
    assert walk.answer("w", body={"ok": 1}, token=token) is AnswerVerdict.DUPLICATE
    walk.end("a")
    assert (walk.statuses, walk.facts.state) == ("SSu", {"r": {"ok": 1}})
    assert walk.answer("w", "a2", token=token) is AnswerVerdict.LATE
    assert walk.answer("w", token=token) is AnswerVerdict.DUPLICATE


def test_s19_a_failed_callback_group_runs_its_action_again_with_a_new_token() -> None:
    walk = chain(
        step("a", opens=1), wait("w", "callback", restarts=0, wait_timeout_s=60), step("check", restarts=0), "b"
    ).begin()
    first, second = (make_callback_token("s3cret", NodeKey("a"), attempt) for attempt in (1, 2))
    walk.end("a")
    assert (walk.status, walk.statuses) == (RunStatus.WAITING, "Swpp")
    walk.pass_time(60)
    assert walk.statuses == "Shpp"
    assert walk.answer("w", token=first) is AnswerVerdict.EXPIRED
    walk.resume()
    assert (walk.statuses, walk.sent[-1]) == ("uppp", ("a", 2))
    assert walk.answer("w", token=first) is AnswerVerdict.SUPERSEDED
    assert walk.answer("w", token="guess") is AnswerVerdict.UNKNOWN
    walk.end("a")
    assert walk.answer("w", body={"x": 1}, token=second) is AnswerVerdict.ENDS
    walk.fail("check")
    assert walk.statuses == "SShp"
    walk.resume()
    assert walk.statuses == "uppp"
    assert walk.facts.state == {"x": 1}


def test_1_2_a_run_that_awaits_its_callback_can_be_resumed_and_asks_again() -> None:
    walk = chain(step("a", opens=1), wait("w", "callback")).begin()
    walk.end("a")
    walk.resume()
    assert walk.statuses == "up"


def test_s4_a_skipped_action_skips_the_wait_that_it_opens() -> None:
    walk = chain(step("a", opens=1), wait("w", "callback"), "b").begin()
    walk.end("a", Outcome.SKIPPED)
    assert walk.statuses == "KKu"


def test_a_wait_with_a_condition_asks_its_function_first() -> None:
    for outcome, statuses in ((Outcome.SKIPPED, "Ku"), (Outcome.PENDING, "wp")):
        walk = chain(wait("w", "input", function="condition"), "b").begin()
        assert walk.sent == [("w", 1)]
        walk.end("w", outcome)
        assert walk.statuses == statuses


def test_input_is_merged_deeply_and_the_second_resume_is_refused() -> None:
    walk = chain("a", wait("w", "input", wait_name="form"), "b").begin()
    walk.end("a", delta={"site": {"name": "x", "rack": 1}})
    with pytest.raises(Conflict):
        walk.resume()
    walk.resume(given={"site": {"rack": 2}})
    assert (walk.statuses, walk.facts.state) == ("SSu", {"site": {"name": "x", "rack": 2}})
    with pytest.raises(Conflict):
        walk.resume(given={"site": {"rack": 3}})


@pytest.mark.parametrize(("approved", "statuses"), [(True, "Su"), (False, "hp"), (None, "hp")])
def test_an_approval_ends_as_the_person_says(approved: bool | None, statuses: str) -> None:
    walk = chain(wait("w", "approval"), "b").begin()
    assert walk.answer("w", approved=approved) is AnswerVerdict.ENDS
    assert walk.statuses == statuses
    assert walk.answer("w", "a2", approved=True) is AnswerVerdict.LATE


def test_leaf_an_approval_that_times_out_has_failed() -> None:
    graph = make_graph(
        DAG,
        3,
        (0, S, 1),
        (0, F, 2),
        fields={0: {"kind": "wait", "function": "", "wait": {"kind": "approval", "timeout_s": 5}}},
    )
    walk = Walk(graph).begin()
    walk.pass_time(5)
    assert walk.statuses == "F-u"


def test_an_event_is_looked_for_once_when_the_wait_is_armed_and_once_more() -> None:
    walk = chain("a", wait("w", "event", wait_name="up", wait_correlation_key="node", wait_timeout_s=60)).begin()
    walk.end("a", delta={"node": 12})
    assert walk.decisions[-1].seeks == (1,)
    armed = walk.node("w").wait
    assert armed is not None
    assert (armed.name, armed.correlation) == ("up", "12")
    walk.pass_time(5)
    assert walk.decisions[-1].seeks == (1,)
    assert walk.facts.wake_at == NOW + timedelta(seconds=60)
    assert walk.answer("w", body={"up": True}) is AnswerVerdict.ENDS
    assert walk.status is RunStatus.SUCCESSFUL


def test_t_polling_a_pending_step_is_called_again_as_the_same_attempt() -> None:
    walk = chain("a", "b").begin()
    walk.take("a")
    walk.end("a", Outcome.PENDING, poll_after_s=3)
    assert (walk.status, walk.statuses, walk.facts.wake_at) == (RunStatus.WAITING, "wp", NOW + timedelta(seconds=3))
    with pytest.raises(Conflict):
        walk.end("a", Outcome.PENDING)
    walk.pass_time(3)
    assert (walk.statuses, walk.sent) == ("up", [("a", 1)] * 2)
    assert walk.node("a").n_polls == 1
    walk.end("a", Outcome.PENDING, poll_after_s=3)
    assert walk.answer("a") is AnswerVerdict.UNKNOWN
    walk.end("a")
    assert walk.statuses == "Su", "a twin that was called before may bring the outcome"


def test_t19_polling_ends_when_the_time_of_the_step_is_over() -> None:
    walk = chain(step("a", timeout_s=60)).begin()
    walk.take("a")
    for _ in range(6):
        walk.end("a", Outcome.PENDING, poll_after_s=10)
        assert walk.statuses == "w"
        walk.pass_time(10)
    error = walk.node("a").error
    assert error is not None
    assert (walk.statuses, error.error_class) == ("h", "TimedOut")


def test_d3_what_a_pending_step_leaves_is_kept_until_its_attempt_is_over() -> None:
    walk = chain("a").begin()
    left = {"operation_id": "op-7"}
    walk.end("a", Outcome.PENDING, artifacts=left, delta={"vm": 1}, keeps_changes=True, poll_after_s=3)
    assert (walk.node("a").artifacts, walk.facts.state) == (left, {"vm": 1})
    walk.pass_time(3)
    order = make_node_run(walk.run, 0)
    assert (order.attempt, order.n_polls, order.artifacts) == (1, 1, left)
    walk.end("a", Outcome.PENDING, artifacts=left, delta={"no": 1})
    assert walk.facts.state == {"vm": 1}
    walk.fail("a", artifacts=left, delta={"cause": "x"}, removed=("vm",), keeps_changes=True)
    assert (walk.node("a").artifacts, walk.facts.state) == (left, {"cause": "x"})
    walk.resume()
    assert (make_node_run(walk.run, 0).artifacts, walk.node("a").artifacts) == ({}, {})


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.SUCCESSFUL, Outcome.PENDING])
def test_d3_a_late_twin_of_the_first_call_ends_nothing_that_is_looked_at_already(outcome: Outcome) -> None:
    walk = chain("a").begin()
    walk.end("a", Outcome.PENDING, n_polls=0, poll_after_s=3)
    with pytest.raises(Conflict, match="answered before"):
        walk.end("a", outcome, n_polls=0)
    walk.pass_time(3)
    with pytest.raises(Conflict, match="answered before"):
        walk.end("a", outcome, n_polls=0)
    walk.end("a", n_polls=1)
    assert walk.statuses == "S"


def test_a_pending_step_that_makes_the_state_too_large_has_failed() -> None:
    walk = chain("a").begin()
    walk.end("a", Outcome.PENDING, delta={"x": "y" * 1024 * 1024}, keeps_changes=True)
    error = walk.node("a").error
    assert (walk.statuses, walk.facts.state, error and error.error_class) == ("h", {}, "StateTooLarge")


def test_tokens_are_not_stored() -> None:
    walk = chain(step("a", opens=1), wait("w", "callback")).begin()
    token = make_callback_token("s3cret", NodeKey("a"), 1)
    stored = walk.facts.model_dump_json() + "".join(state.model_dump_json() for state in walk.run.nodes)
    assert token not in stored
    assert hashlib.sha256(token.encode()).hexdigest() not in stored


def test_word_of_progress_is_kept_and_ends_nothing() -> None:
    walk = chain(step("a", opens=1), wait("w", "callback", wait_timeout_s=60)).begin()
    token = make_callback_token("s3cret", NodeKey("a"), 1)
    assert walk.do(CallbackProgress(NodeKey("w"), token, 10)).answer is None
    walk.end("a")
    deadline = walk.node("w").wait.deadline
    assert walk.do(CallbackProgress(NodeKey("w"), token, {"done": 50})).answer is None
    waiting = walk.node("w").wait
    assert (waiting.progress, waiting.deadline) == ({"done": 50}, deadline)
    assert walk.do(CallbackProgress(NodeKey("w"), "odd", 99)).answer is AnswerVerdict.UNKNOWN
    assert walk.do(CallbackProgress(NodeKey("none"), token, 99)).answer is AnswerVerdict.UNKNOWN
    walk.answer("w", token=token)
    assert walk.do(CallbackProgress(NodeKey("w"), token, 99)).answer is AnswerVerdict.LATE


def test_an_event_that_ends_a_wait_does_not_end_the_next_one_too() -> None:
    walk = chain(*(wait(key, "event", wait_name="measured") for key in ("v", "w"))).begin()
    assert walk.answer("v", "e1", 1) is AnswerVerdict.ENDS
    assert walk.answer("w", "e1", 1) is AnswerVerdict.LATE
    assert walk.answer("v", "e1", 1) is AnswerVerdict.DUPLICATE
    assert walk.statuses == "Sw"
    assert walk.answer("w", "e2", 2) is AnswerVerdict.ENDS
    assert walk.status is RunStatus.SUCCESSFUL
