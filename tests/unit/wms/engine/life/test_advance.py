"""The one decision about a run: chains, failures, retries, fences, waits. Tests name the contract's rows they prove."""

from datetime import timedelta

import pytest

from schemas.engine.runs import ChildRequest, Outcome, RunStatus
from schemas.errors import Conflict
from schemas.events import NodeTaken
from schemas.ids import NodeKey, RunId, RunUuid
from tests.unit.wms.engine.walking import NOW, chain, step
from wms.engine.life.stimuli import PutState, StepWorkerCame, StepWorkerGone, TimePassed, Unserved


def test_o4_o20_steps_run_one_after_the_other_and_the_run_is_done_with_the_last() -> None:
    walk = chain("a", "b", "c").begin()
    assert (walk.status, walk.statuses, walk.sent) == (RunStatus.RUNNING, "upp", [("a", 1)])
    walk.take("a")
    assert walk.statuses == "tpp"
    walk.end("a", delta={"x": 1})
    assert (walk.statuses, walk.sent[-1]) == ("Sup", ("b", 1))
    walk.end("b", delta={"x": 2, "y": 1}, removed=("z",))
    walk.end("c", delta={"y": 3})
    assert (walk.status, walk.facts.state) == (RunStatus.SUCCESSFUL, {"x": 2, "y": 3})
    assert walk.facts.wake_at is None
    assert [(row.act, row.node, row.status) for row in walk.rows] == [
        ("launch", None, "created"),
        ("begin", None, "running"),
        ("ended", "a", "successful"),
        ("ended", "b", "successful"),
        ("ended", "c", "successful"),
        ("ended", None, "successful"),
    ]
    assert [row.number for row in walk.rows] == [1, 2, 3, 4, 5, 6]


def test_an_empty_list_is_done_at_once() -> None:
    assert chain().begin().status is RunStatus.SUCCESSFUL


def test_o5_a_retry_begins_at_the_failed_step_with_the_state_before_it_and_never_repeats_a_cleared_one() -> None:
    walk = chain("a", "b", "c").begin()
    walk.end("a", delta={"x": 1})
    walk.fail("b", delta={"x": "lost"})
    assert (walk.status, walk.statuses, walk.facts.state) == (RunStatus.HALTED, "Shp", {"x": 1})
    walk.resume()
    assert (walk.status, walk.statuses, walk.sent[-1]) == (RunStatus.RUNNING, "Sup", ("b", 2))
    walk.end("b")
    walk.end("c")
    assert walk.status is RunStatus.SUCCESSFUL
    assert [key for key, _ in walk.sent] == ["a", "b", "b", "c"]


def test_o2_every_attempt_keeps_its_row_with_its_error_and_who_resumed() -> None:
    walk = chain("a").begin()
    walk.fail("a")
    walk.resume(given={"n": 1})
    walk.end("a", name="another name")
    rows = [(row.act, row.status, row.attempt, row.error and row.error.error_class, row.who) for row in walk.rows[2:]]
    assert rows == [
        ("ended", "halted", 1, "ValueError", "w1"),
        ("resume", "halted", 0, None, "bob"),
        ("ended", "successful", 2, None, "w1"),
        ("ended", "successful", 0, None, ""),
    ]
    assert walk.rows[4].name == "another name"
    assert walk.facts.state == {"n": 1}


def test_a_skipped_step_goes_on_like_a_successful_one() -> None:
    walk = chain("a", "b").begin()
    walk.end("a", Outcome.SKIPPED)
    assert walk.statuses == "Ku"


def test_a_step_may_cancel_its_run() -> None:
    walk = chain("a", "b").begin()
    walk.end("a", Outcome.CANCELED)
    assert (walk.status, walk.statuses) == (RunStatus.CANCELED, "C-")


def test_the_fence_refuses_whatever_is_late() -> None:
    walk = chain("a", "b").begin()
    walk.fail("a")
    walk.resume()
    for late in (lambda: walk.end("a", attempt=1), lambda: walk.take("a", attempt=1)):
        with pytest.raises(Conflict, match="not the current one"):
            late()
    walk.end("a")
    with pytest.raises(Conflict, match="has ended already"):
        walk.end("a")
    with pytest.raises(Conflict, match="no step worker needs"):
        walk.take("a")
    with pytest.raises(Conflict, match="no node"):
        walk.do(Unserved(NodeKey("x"), 1, ""))


def test_o10_a_retry_policy_counts_its_own_attempts_and_pauses_longer_each_time() -> None:
    walk = chain(step("a", retry={"attempts": 3, "first_s": 10, "factor": 2, "longest_s": 15})).begin()
    walk.fail("a")
    assert (walk.status, walk.statuses) == (RunStatus.WAITING, "r")
    assert walk.facts.wake_at == NOW + timedelta(seconds=10)
    walk.pass_time(9)
    assert walk.statuses == "r"
    walk.pass_time(1)
    assert walk.sent == [("a", 1), ("a", 2)]
    walk.fail("a")
    assert walk.facts.wake_at == walk.now + timedelta(seconds=15), "never longer than the longest pause"
    walk.pass_time(15)
    walk.fail("a")
    assert (walk.status, walk.statuses) == (RunStatus.HALTED, "h")
    walk.resume()
    walk.fail("a")
    assert walk.statuses == "r", "who resumes gives all attempts again"


def test_ruling_10_a_policy_without_a_number_never_gives_up() -> None:
    walk = chain(step("a", retry={})).begin()
    for _ in range(100):
        walk.fail("a")
        assert walk.statuses == "r"
        walk.pass_time(600)


def test_a_state_that_grows_too_large_fails_its_step_and_names_the_key() -> None:
    walk = chain("a", "b").begin()
    walk.end("a", delta={"big": "x" * 2_000_000})
    error = walk.node("a").error
    assert error is not None
    assert (walk.statuses, error.error_class) == ("hp", "StateTooLarge")
    assert "'big'" in error.message
    assert walk.facts.state == {}


def test_what_a_step_brings_takes_effect_with_its_success_only() -> None:
    child = ChildRequest(uuid=RunUuid("c"), definition="other")
    walk = chain("a", "b").begin()
    assert walk.fail("a", children=(child,)).brought is None
    walk.resume()
    brought = walk.end("a", children=(child,)).brought
    assert brought is not None
    assert brought.children == (child,)


def test_a_hint_is_repeated_until_somebody_takes_it_at_growing_pauses() -> None:
    walk = chain("a").begin()
    walk.pass_time(11)
    assert walk.sent == [("a", 1)]
    walk.pass_time(1)
    assert walk.sent == [("a", 1)] * 2
    walk.pass_time(21)
    assert len(walk.sent) == 2
    walk.take("a")
    assert walk.facts.wake_at is None
    walk.pass_time(10_000)
    assert len(walk.sent) == 2


def test_a_step_whose_worker_is_gone_is_sent_again_as_the_same_attempt() -> None:
    walk = chain("a").begin()
    walk.take("a", "w1")
    walk.do(StepWorkerGone("w2"))
    assert walk.statuses == "t"
    walk.do(StepWorkerGone("w1"))
    assert (walk.statuses, walk.sent) == ("u", [("a", 1)] * 2)
    walk.end("a")
    assert walk.status is RunStatus.SUCCESSFUL


@pytest.mark.parametrize("is_told", [True, False], ids=["taken", "lost before anybody heard of it"])
def test_a_step_that_takes_three_workers_down_fails_as_worker_lost(*, is_told: bool) -> None:
    walk = chain("a", "b").begin()
    for number in range(3):
        assert (walk.statuses, walk.node("a").n_lost) == ("up", number)
        if is_told:
            walk.take("a", f"w{number}")
        walk.lose("a")
    error = walk.node("a").error
    assert error is not None
    assert (walk.statuses, error.error_class, len(walk.sent)) == ("hp", "WorkerLost", 3)
    with pytest.raises(Conflict):
        walk.end("a")
    walk.resume()
    assert (walk.node("a").n_taken, walk.node("a").n_lost) == (0, 0)


def test_a_silent_worker_counts_as_one_that_another_worker_reports_as_lost() -> None:
    walk = chain("a").begin()
    walk.take("a", "w1")
    walk.do(StepWorkerGone("w1"))
    walk.lose("a")
    walk.take("a", "w2")
    walk.do(StepWorkerGone("w2"))
    assert walk.statuses == "h"


def test_a_loss_that_is_told_twice_counts_once_and_what_the_lost_worker_still_says_is_refused() -> None:
    walk = chain("a").begin()
    taken = NodeTaken(run=RunId(1), node=NodeKey("a"), attempt=1, worker="w1", taken_at=NOW)
    walk.do(taken)
    walk.lose("a")
    with pytest.raises(Conflict, match="sent again since"):
        walk.lose("a", n_lost=0)
    with pytest.raises(Conflict, match="was given up"):
        walk.do(taken)
    assert (walk.statuses, len(walk.sent)) == ("u", 2)
    walk.end("a")
    with pytest.raises(Conflict, match="sent again since"):
        walk.lose("a")


def test_a_step_whose_worker_is_lost_while_the_run_is_canceled_is_not_called_again() -> None:
    walk = chain("a").begin()
    walk.take("a")
    walk.cancel()
    walk.lose("a")
    assert (walk.status, len(walk.sent)) == (RunStatus.CANCELED, 1)


def test_a_step_that_takes_too_long_is_timed_out_once_and_its_late_end_is_refused() -> None:
    walk = chain(step("a", timeout_s=60)).begin()
    walk.pass_time(8)
    walk.take("a")
    walk.pass_time(59)
    assert walk.statuses == "t"
    walk.pass_time(1)
    assert walk.node("a").error is not None
    assert walk.statuses == "h"
    with pytest.raises(Conflict):
        walk.end("a")


def test_a_function_that_nobody_offers_waits_and_says_so() -> None:
    walk = chain("a").begin()
    walk.do(Unserved(NodeKey("a"), 1, "no step worker of the pool 'default' offers it"))
    assert walk.node("a").explanation.startswith("no step worker")
    assert (walk.status, walk.node("a").attempt) == (RunStatus.RUNNING, 1)
    walk.pass_time(30)
    assert walk.sent == [("a", 1)] * 2
    walk.do(Unserved(NodeKey("a"), 1, "the worker w1 does not offer it", again_after=timedelta(seconds=1)))
    walk.pass_time(1)
    assert walk.sent == [("a", 1)] * 3
    walk.take("a")
    assert walk.node("a").explanation == ""
    with pytest.raises(Conflict):
        walk.do(Unserved(NodeKey("a"), 1, "too late"))


def test_t11_the_state_can_be_set_before_the_run_begins_and_not_after() -> None:
    walk = chain("a")
    walk.do(PutState({"k": 1}, "ada"))
    walk.do(PutState({"l": 2}, "ada"))
    walk.do(TimePassed())
    assert (walk.status, walk.facts.state, walk.sent) == (RunStatus.CREATED, {"k": 1, "l": 2}, [])
    walk.begin()
    with pytest.raises(Conflict):
        walk.do(PutState({"k": 3}))


def test_what_nobody_could_work_on_is_sent_as_soon_as_a_worker_of_its_pool_comes() -> None:
    walk = chain("a").begin()
    walk.do(Unserved(NodeKey("a"), 1, "no step worker of the pool 'default' is there"))
    walk.do(StepWorkerCame("another"))
    assert walk.sent == [("a", 1)]
    walk.do(StepWorkerCame("default"))
    assert walk.sent == [("a", 1)] * 2
    walk.do(StepWorkerCame("default"))
    assert walk.sent == [("a", 1)] * 2, "it is on its way already"
