"""The table of wishes: begin, stop, cancel, resume, from every place where a run may stand."""

from collections.abc import Callable

import pytest

from schemas.engine.graph import BranchingProfile, EdgeKind
from schemas.engine.runs import Outcome, RunStatus
from schemas.errors import Conflict
from schemas.ids import NodeKey
from tests.unit.wms.engine.graphs import make_graph
from tests.unit.wms.engine.walking import Walk, chain, step, wait
from wms.engine.life.stimuli import Begin, Unserved, WriteNote

S, F, A = EdgeKind.SUCCESS, EdgeKind.FAILURE, EdgeKind.ALWAYS


def running() -> Walk:
    walk = chain("a", "b", "c").begin()
    walk.take("a")
    return walk


def waiting() -> Walk:
    return chain(wait("w", "event", wait_name="e"), "b").begin()


def retrying() -> Walk:
    walk = chain(step("a", retry={"first_s": 60}), "b").begin()
    walk.fail("a")
    return walk


def halted() -> Walk:
    walk = chain("a", "b").begin()
    walk.fail("a")
    return walk


def stopped() -> Walk:
    walk = chain("a", "b").begin()
    walk.stop()
    walk.end("a")
    return walk


def being_stopped() -> Walk:
    walk = running()
    walk.stop()
    return walk


def being_canceled() -> Walk:
    walk = running()
    walk.cancel()
    return walk


def over() -> Walk:
    walk = chain("a").begin()
    walk.end("a")
    return walk


WISHES: dict[str, Callable[[Walk], object]] = {
    "begin": lambda walk: walk.do(Begin("ada")),
    "stop": Walk.stop,
    "cancel": Walk.cancel,
    "resume": Walk.resume,
}
#: Where the run stands after each wish; None: it is refused.
TABLE: dict[Callable[[], Walk], tuple[RunStatus | None, ...]] = {
    lambda: chain("a", "b"): (RunStatus.RUNNING, RunStatus.STOPPED, RunStatus.CANCELED, None),
    running: (None, RunStatus.RUNNING, RunStatus.RUNNING, None),
    waiting: (None, RunStatus.STOPPED, RunStatus.CANCELED, None),
    retrying: (None, RunStatus.STOPPED, RunStatus.CANCELED, RunStatus.RUNNING),
    halted: (RunStatus.RUNNING, RunStatus.STOPPED, RunStatus.CANCELED, RunStatus.RUNNING),
    stopped: (RunStatus.RUNNING, None, RunStatus.CANCELED, RunStatus.RUNNING),
    being_stopped: (RunStatus.RUNNING, None, RunStatus.RUNNING, RunStatus.RUNNING),
    being_canceled: (None, None, None, None),
    over: (None, None, None, None),
}


@pytest.mark.parametrize(("make", "results"), list(TABLE.items()))
@pytest.mark.parametrize("column", range(4))
def test_1_2_what_each_wish_does(make: Callable[[], Walk], results: tuple[RunStatus | None, ...], column: int) -> None:
    walk, act = make(), list(WISHES.values())[column]
    rows = len(walk.rows)
    if (expected := results[column]) is None:
        before = walk.run.nodes[:], walk.facts
        with pytest.raises(Conflict):
            act(walk)
        assert (walk.run.nodes, walk.facts) == before
    else:
        act(walk)
        assert walk.status is expected
        assert walk.rows[rows].who in ("ada", "bob"), "the act of a person is in the log"


def test_t13_the_current_node_runs_to_its_end_its_result_is_kept_and_the_next_does_not_start() -> None:
    walk = being_stopped()
    assert walk.status is RunStatus.RUNNING
    walk.end("a", delta={"x": 1})
    assert (walk.status, walk.statuses, walk.facts.state) == (RunStatus.STOPPED, "Spp", {"x": 1})
    assert walk.facts.want is not None
    assert (walk.facts.want.who, walk.facts.want.why) == ("bob", "lunch")
    walk.do(Begin("ada"))
    assert (walk.statuses, walk.facts.want) == ("Sup", None)


def test_d4_stop_and_begin_while_the_node_runs_start_no_second_executor() -> None:
    walk = being_stopped()
    walk.do(Begin("ada"))
    assert walk.sent == [("a", 1)]
    walk.end("a")
    assert walk.sent == [("a", 1), ("b", 1)]


def test_d5_a_stop_is_seen_by_a_node_that_polls_and_begin_goes_on_with_the_same_attempt() -> None:
    walk = chain("a", "b").begin()
    walk.end("a", Outcome.PENDING, poll_after_s=3)
    walk.stop()
    assert (walk.status, walk.facts.wake_at) == (RunStatus.STOPPED, None)
    walk.pass_time(60)
    assert walk.sent == [("a", 1)]
    walk.do(Begin("ada"))
    walk.pass_time(0)
    assert walk.sent == [("a", 1)] * 2, "D3: the operation that was begun is not begun again"


def test_an_answer_that_comes_while_the_run_is_stopped_is_not_lost() -> None:
    walk = waiting()
    walk.stop()
    walk.answer("w", body={"x": 1})
    assert (walk.status, walk.statuses) == (RunStatus.STOPPED, "Sp")
    walk.resume()
    assert (walk.status, walk.statuses) == (RunStatus.RUNNING, "Su")


def test_d5_begin_does_not_undo_a_cancel() -> None:
    walk = being_canceled()
    with pytest.raises(Conflict, match="being canceled"):
        walk.do(Begin("ada"))
    walk.end("a", delta={"x": 1})
    assert (walk.status, walk.statuses, walk.facts.state) == (RunStatus.CANCELED, "S--", {"x": 1})
    assert walk.facts.explanation == "wrong customer"


def test_1_6_an_abort_is_recorded_with_its_author_and_the_end_of_the_step_does_not_undo_it() -> None:
    walk = being_canceled()
    walk.end("a")
    acts = [(row.act, row.who, row.why) for row in walk.rows]
    assert ("cancel", "bob", "wrong customer") in acts
    with pytest.raises(Conflict):
        walk.end("a")
    assert walk.status is RunStatus.CANCELED


def test_r11_each_note_is_in_the_log_with_its_author_also_when_the_run_is_over() -> None:
    walk = stopped()
    walk.do(WriteNote("look at this", "ada"))
    walk.cancel()
    walk.do(WriteNote("", "bob"))
    assert (walk.status, walk.facts.note) == (RunStatus.CANCELED, "")
    notes = [(row.who, row.why) for row in walk.rows if row.act == "note"]
    assert notes == [("ada", "look at this"), ("bob", "")]
    assert walk.sent == stopped().sent


def test_d8_a_stopped_run_can_be_canceled() -> None:
    walk = stopped()
    walk.cancel()
    assert (walk.status, walk.statuses) == (RunStatus.CANCELED, "S-")


def test_a_canceled_run_whose_step_nobody_has_taken_ends_when_the_hint_is_not_valid_any_more() -> None:
    walk = chain("a", "b").begin()
    walk.cancel()
    assert walk.status is RunStatus.RUNNING
    walk.pass_time(12)
    assert (walk.status, walk.statuses, walk.sent) == (RunStatus.CANCELED, "C-", [("a", 1)])


def test_a_canceled_run_whose_function_nobody_offers_ends_at_once() -> None:
    walk = chain("a", "b").begin()
    walk.do(Unserved(NodeKey("a"), 1, "nobody"))
    walk.cancel()
    assert (walk.status, walk.statuses) == (RunStatus.CANCELED, "C-")


def test_a_step_that_fails_while_its_run_is_canceled_is_neither_retried_nor_halted() -> None:
    walk = chain(step("a", retry={})).begin()
    walk.take("a")
    walk.cancel()
    walk.fail("a")
    assert (walk.status, walk.statuses) == (RunStatus.CANCELED, "F")


def test_a32_no_node_begins_after_a_cancel_and_the_run_is_over_when_all_below_it_is() -> None:
    nested = {"kind": "run", "definition": "nested", "function": ""}
    graph = make_graph(BranchingProfile.DAG, 4, (0, A, 2), (1, A, 3), fields={0: nested, 3: nested})
    walk = Walk(graph).begin()
    walk.start_child("n0")
    walk.take("n1")
    walk.cancel()
    assert walk.canceled == ["n0"]
    walk.end("n1")
    assert (walk.status, walk.statuses) == (RunStatus.RUNNING, "wSpp")
    walk.pass_time(12)
    assert walk.canceled == ["n0", "n0"], "a cancel that a crash has swallowed is repeated"
    walk.end_child("n0", Outcome.CANCELED)
    assert (walk.status, walk.statuses, walk.started) == (RunStatus.CANCELED, "CS--", ["n0"])


def test_a_child_that_starts_while_its_run_is_being_canceled_is_canceled() -> None:
    nested = {"kind": "run", "definition": "nested", "function": ""}
    walk = Walk(make_graph(BranchingProfile.DAG, 1, fields={0: nested})).begin()
    walk.cancel()
    walk.start_child("n0")
    assert walk.canceled == ["n0", "n0"]
    walk.end_child("n0", Outcome.CANCELED)
    assert walk.status is RunStatus.CANCELED
    with pytest.raises(Conflict):
        walk.start_child("n0")


def test_an_answer_to_a_wait_that_was_canceled_is_late() -> None:
    walk = waiting()
    walk.cancel()
    assert walk.answer("w") == "expired"


def test_a_resume_may_name_one_node() -> None:
    walk = Walk(make_graph(BranchingProfile.DAG, 2, fields={0: {"halts": True}, 1: {"halts": True}})).begin()
    walk.fail("n0")
    walk.fail("n1")
    walk.resume(node=NodeKey("n1"))
    assert walk.statuses == "hu"
    with pytest.raises(Conflict, match="'n1' is due"):
        walk.resume(node=NodeKey("n1"))
    with pytest.raises(Conflict, match="'n7' is unknown"):
        walk.resume(node=NodeKey("n7"))
    walk.resume(node=NodeKey("n0"))
    assert walk.statuses == "uu"
