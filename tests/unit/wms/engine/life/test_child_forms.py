"""A run whose form is still to be evaluated begins with what the form gives, or never."""

from datetime import timedelta

import pytest

from schemas.engine.graph import make_chain
from schemas.engine.runs import NodeError, NodeStatus, RunStatus, WantKind
from schemas.errors import Conflict, TooLarge
from schemas.ids import NodeKey
from tests.unit.wms.engine.walking import NOW, Walk, step
from wms.engine.life.stimuli import Begin, LaunchFormFilled, LaunchFormRefused, TimePassed, Wish
from wms.engine.life.waiting import FORM_PAUSE

ERROR = NodeError(error_class="FormValidationError", message="name: required")


def launch() -> Walk:
    return Walk(make_chain((step("a"), step("b"))), pages=({"name": "x"},), state={"reporter": "ada"})


def test_it_is_asked_again_until_a_worker_has_evaluated_it() -> None:
    walk = launch()
    assert walk.run.facts.wake_at == NOW + FORM_PAUSE
    with pytest.raises(Conflict, match="form"):
        walk.do(Begin("ada"))
    walk.now += timedelta(minutes=1)
    decision = walk.do(TimePassed())
    assert (decision.changes_run, walk.run.facts.wake_at) == (True, walk.now + FORM_PAUSE)
    assert (walk.run.facts.status, walk.sent) == (RunStatus.CREATED, [])


def test_it_begins_with_the_values_once() -> None:
    walk = launch()
    walk.do(LaunchFormFilled({"name": "x", "more": {"a": 1}}, "ada"))
    facts = walk.run.facts
    assert (facts.status, facts.pages, walk.sent) == (RunStatus.RUNNING, None, [("a", 1)])
    assert facts.state == {"reporter": "ada", "name": "x", "more": {"a": 1}}
    for stimulus in (LaunchFormFilled({}), LaunchFormRefused(ERROR)):
        with pytest.raises(Conflict):
            walk.do(stimulus)


def test_a_refusal_ends_it_and_its_first_node_says_why() -> None:
    walk = launch()
    walk.do(LaunchFormRefused(ERROR))
    assert walk.run.facts.status is RunStatus.ERROR
    assert walk.run.facts.explanation == "its form refuses what it was started with: name: required"
    assert (walk.node("a").status, walk.node("a").error) == (NodeStatus.ERROR, ERROR)
    assert walk.node("b").status is NodeStatus.PASSED
    assert [(row.act, row.node) for row in walk.rows] == [("launch", None), ("ended", NodeKey("a")), ("ended", None)]
    with pytest.raises(Conflict):
        walk.do(LaunchFormFilled({}))


def test_one_that_was_canceled_meanwhile_does_not_begin() -> None:
    walk = launch()
    walk.do(Wish(WantKind.CANCEL, "ada"))
    assert (walk.run.facts.status, walk.run.facts.wake_at) == (RunStatus.CANCELED, None)
    with pytest.raises(Conflict):
        walk.do(LaunchFormFilled({}))


def test_values_that_are_too_large_are_refused() -> None:
    with pytest.raises(TooLarge):
        launch().do(LaunchFormFilled({"name": "x" * 2_000_000}))
