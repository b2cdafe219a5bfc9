"""A step says what a workflow shall be, and the node after it runs that workflow."""

from schemas.engine.graph import Node, NodeKind
from schemas.engine.runs import Outcome, RunStatus, WantedWorkflow
from tests.unit.wms.engine.walking import Walk, chain, step
from wms.engine.life.node_orders import make_node_run
from wms.engine.life.stimuli import ChildEnded, ChildStarted
from wms.engine.nested.child_workflows import find_wanted

WANTED = WantedWorkflow(request={"tasks": []}, events=(1, {"a": 2}), max_dead_letters=3)
WORKFLOW = Node(key="w", name="w", kind=NodeKind.WORKFLOW, result_key="simulation")


def launch() -> Walk:
    return chain(step("ask", opens=1), WORKFLOW, "after").begin()


def test_the_workflow_node_starts_with_what_the_step_brought_and_nobody_else_gets_it() -> None:
    walk = launch()
    walk.end("ask", artifacts=WANTED.as_artifacts())
    assert walk.started == ["w"]
    assert find_wanted(walk.run, 1, {}) == WANTED
    attempt = walk.node("w").attempt
    walk.do(ChildStarted(walk.node("w").key, attempt, workflow_id="WF-1"))
    walk.do(ChildEnded(walk.node("w").key, attempt, Outcome.SUCCESSFUL, result={"status": "done"}))
    assert walk.run.facts.state == {"simulation": {"status": "done"}}
    assert walk.sent == [("ask", 1), ("after", 1)]
    assert make_node_run(walk.run, 2).variables == {}


def test_a_skipped_step_skips_its_workflow() -> None:
    walk = launch()
    walk.end("ask", Outcome.SKIPPED)
    assert walk.statuses == "KKu"
    assert walk.started == []


def test_a_failed_workflow_leaves_the_state_and_a_resume_asks_the_step_again() -> None:
    walk = launch()
    walk.end("ask", artifacts=WANTED.as_artifacts())
    walk.do(ChildEnded(walk.node("w").key, walk.node("w").attempt, Outcome.FAILED, explanation="no", result={"n": 1}))
    assert (walk.status, walk.run.facts.state) == (RunStatus.HALTED, {})
    walk.resume()
    assert walk.sent[-1] == ("ask", 2)


def test_a_workflow_that_takes_too_long_fails_its_step_and_is_aborted() -> None:
    walk = chain(step("ask", opens=1), WORKFLOW.model_copy(update={"timeout_s": 60.0})).begin()
    walk.end("ask", artifacts=WANTED.as_artifacts())
    walk.do(ChildStarted(walk.node("w").key, walk.node("w").attempt, workflow_id="WF-1"))
    for _ in range(4):
        walk.pass_time(12)
    assert (walk.statuses, walk.canceled) == ("Sw", [])
    walk.pass_time(12)
    assert (walk.statuses, walk.canceled) == ("Sh", ["w"])
    error = walk.node("w").error
    assert error is not None
    assert error.error_class == "TimedOut"
    walk.resume()
    assert walk.sent[-1] == ("ask", 2)
    walk.end("ask", artifacts=WANTED.as_artifacts())
    assert (walk.started, walk.node("w").workflow_id) == (["w", "w"], None)
