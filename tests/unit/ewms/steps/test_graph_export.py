"""Step lists as graphs of nodes, as workers register them, and outcomes as `node.ended` carries them."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from ewms.steps import (
    StepList,
    SubscriptionLifecycle,
    Target,
    await_event,
    begin,
    callback_step,
    conditional,
    done,
    focussteps,
    init,
    inputstep,
    polling_step,
    retrystep,
    run_workflow,
    step,
    step_group,
    task,
)
from ewms.steps.graph_export import export_graph
from ewms.steps.outcomes import (
    ChildStart,
    StatedEvent,
    StepAborts,
    StepCompletes,
    StepEffects,
    StepFailed,
    StepOutcome,
    StepRepeats,
    StepSkipped,
    StepSucceeded,
    StepWaits,
    WaitTerms,
)
from ewms.steps.registrations import export_definition
from ewms.steps.wire_outcomes import describe_outcome
from schemas.engine.graph import BranchingProfile, NodeKind, RetryPolicy, WaitKind
from schemas.engine.processes import Assignee, ProcessStatus
from schemas.engine.runs import Outcome
from schemas.engine.subscriptions import ProductDocument, SubscriptionDocument
from tests.unit.ewms.steps import enrollment


@step("A")
def a() -> None: ...


@step("B")
def b() -> None: ...


@inputstep("Ask")
def ask() -> Any: ...


@retrystep("Ping", attempts=3)
def ping() -> None: ...


@polling_step("Look", every=timedelta(seconds=5), timeout=timedelta(hours=1))
def look() -> Any: ...


@run_workflow("Simulate")
def simulate() -> Any: ...


def test_s1_the_nodes_of_a_chain_are_keyed_by_position_and_end_with_the_first_done() -> None:
    graph = export_graph(begin >> init >> a >> a >> done >> b >> done)

    assert graph.profile is BranchingProfile.CHAIN
    assert [(node.key, node.name) for node in graph.nodes] == [("0", "Start"), ("1", "A"), ("2", "A"), ("3", "Done")]
    assert [[edge.to for edge in node.edges] for node in graph.nodes] == [[1], [2], [3], []]
    assert graph.nodes[1].function == f"{__name__}.a"


def test_each_kind_of_step_has_its_node() -> None:
    group = step_group("Both", begin >> a >> b)
    wait = await_event("Wait", "e", correlation="order_id", timeout=timedelta(minutes=1), result_key="r")
    nodes = export_graph(begin >> ping >> look >> ask >> wait >> simulate >> group).nodes

    assert [node.kind for node in nodes] == [
        *(NodeKind.STEP, NodeKind.STEP, NodeKind.WAIT),
        *(NodeKind.WAIT, NodeKind.STEP, NodeKind.WORKFLOW, NodeKind.STEP),
    ]
    assert nodes[0].retry == RetryPolicy(attempts=3)
    assert nodes[1].timeout_s == 3600
    assert nodes[2].wait is not None
    assert (nodes[2].wait.kind, nodes[2].wait.result_key, nodes[2].function) == (WaitKind.INPUT, "", "")
    assert nodes[3].wait is not None
    assert nodes[3].wait.model_dump() == {
        "kind": WaitKind.EVENT,
        "name": "e",
        "correlation_key": "order_id",
        "result_key": "r",
        "timeout_s": 60.0,
    }
    assert (nodes[4].key, nodes[4].opens, nodes[4].function) == ("4", 5, f"{__name__}.simulate")
    assert (nodes[5].key, nodes[5].result_key, nodes[5].function) == ("4.workflow", "workflow", "")
    assert (nodes[6].key, nodes[6].function) == ("5", f"{__name__}.a+{__name__}.b")


def test_a_retry_that_begins_further_back_counts_nodes_after_a_workflow() -> None:
    action, wait, check = export_graph(begin >> simulate >> callback_step("Call", a, b)).nodes[2:]
    assert (action.key, action.opens, wait.restarts, check.restarts) == ("1", 3, 2, 2)


def test_s19_a_callback_step_opens_its_wait_and_begins_again_with_its_action() -> None:
    action, wait, check = export_graph(begin >> init >> callback_step("Call", a, b)).nodes[1:]

    assert (action.opens, wait.restarts, check.restarts) == (2, 1, 1)
    assert wait.wait is not None
    assert (wait.wait.kind, wait.wait.result_key) == (WaitKind.CALLBACK, "callback_result")


def test_a_wait_within_a_condition_asks_a_worker_first() -> None:
    [node] = export_graph(conditional(bool)(ask)).nodes
    assert node.function == f"{__name__}.ask"


def test_the_hash_covers_order_and_names_and_not_what_functions_do() -> None:
    def hash_of(steps: StepList) -> str:
        @task
        def same() -> StepList:
            return steps

        return export_definition(same).hash

    def mended() -> None:
        raise RuntimeError

    mended.__module__, mended.__qualname__ = __name__, "a"
    assert hash_of(begin >> a >> b) == hash_of(begin >> a >> b)
    assert hash_of(begin >> a >> b) != hash_of(begin >> b >> a)
    assert hash_of(begin >> a >> b) == hash_of(begin >> step("A")(mended) >> b)
    assert hash_of(begin >> a) != hash_of(begin >> a >> a)


def test_o8_a_definition_is_registered_with_what_its_registration_says() -> None:
    enrollment.register_enrollment()
    sent = export_definition(enrollment.validate_node_enrollment, "noc")

    assert (sent.name, sent.pool, sent.target, sent.tag) == (
        "validate_node_enrollment",
        "noc",
        "SYSTEM",
        "NodeEnrollment",
    )
    assert (sent.search_phrase, sent.description) == ("Node Enrollment%", "Validate Node Enrollment before production")
    assert sent.has_form


@pytest.mark.parametrize("steps", [callback_step("C", a, b), begin >> await_event("W", "e"), begin >> simulate])
def test_a_focus_takes_no_step_whose_answer_goes_into_the_whole_state(steps: StepList) -> None:
    with pytest.raises(TypeError, match="puts an answer into the whole state"):
        focussteps("port")(steps)


def test_done_stands_in_no_condition() -> None:
    with pytest.raises(TypeError, match="`done` ends the step list"):
        conditional(bool)(begin >> a >> done)


SUBSCRIPTION = SubscriptionDocument(
    subscription_id=UUID(int=1),
    product=ProductDocument(product_id=UUID(int=2), name="Node", tag="Node"),
    customer_id="c",
    status=SubscriptionLifecycle.ACTIVE,
)
CHILD = ChildStart(process_id=UUID(int=3), workflow="check", pages=({"a": 1},), user="anna")


@pytest.mark.parametrize(
    ("outcome", "fields"),
    [
        (
            StepSucceeded(changes={"b": 2}, removed=("a",)),
            {"outcome": "successful", "delta": {"b": 2}, "removed": ["a"]},
        ),
        (StepSucceeded(changes={"b": 2}, replaces=True), {"delta": {"b": 2}, "removed": ["a"]}),
        (StepSkipped(), {"outcome": "skipped"}),
        (StepCompletes(), {"outcome": "successful"}),
        (StepAborts("withdrawn"), {"outcome": "canceled", "message": "withdrawn"}),
        (
            StepFailed(
                error={"class": "E", "error": "no", "traceback": "T", "status_code": 503},
                status=ProcessStatus.INCONSISTENT_DATA,
                assignee=Assignee.NOC,
            ),
            {
                "outcome": "failed",
                "error_class": "E",
                "message": "no",
                "traceback": "T",
                "details": {"status_code": 503, "status": "inconsistent_data", "assignee": "NOC"},
            },
        ),
        (StepRepeats(error={"class": "E", "error": "no"}), {"outcome": "failed", "message": "no", "details": {}}),
        (
            StepWaits(WaitTerms(kind=WaitKind.POLL, every=timedelta(seconds=9))),
            {"outcome": "pending", "poll_after_s": 9},
        ),
        (StepWaits(WaitTerms(kind=WaitKind.INPUT)), {"outcome": "pending"}),
        (
            StepWaits(WaitTerms(kind=WaitKind.CHILD, request={"tasks": []}, events=(1, 2))),
            {
                "outcome": "successful",
                "artifacts": {
                    "wanted_workflow": {
                        "request": {"tasks": []},
                        "events": [1, 2],
                        "max_dead_letters": 0,
                        "max_results": 0,
                    },
                },
            },
        ),
    ],
)
def test_an_outcome_becomes_the_fields_of_node_ended(outcome: StepOutcome, fields: dict[str, Any]) -> None:
    found = describe_outcome(outcome, {"a": 1})
    if "error" in found:
        found |= found.pop("error").model_dump()
    for name, value in fields.items():
        assert (list(found[name]) if isinstance(found[name], tuple) else found[name]) == value


def test_what_a_step_saves_and_starts_goes_with_its_success() -> None:
    event = StatedEvent(name="node.up", body=7, correlation="12")
    effects = StepEffects(models=(SUBSCRIPTION,), children=(CHILD,), related=(UUID(int=1),), events=(event,))
    found = describe_outcome(StepSucceeded(changes={}, effects=effects), {})

    assert found["outcome"] is Outcome.SUCCESSFUL
    assert SubscriptionDocument.model_validate(found["models"][0]) == SUBSCRIPTION
    [child] = found["children"]
    assert (child.uuid, child.definition, child.who) == (str(UUID(int=3)), "check", "anna")
    assert child.params == {"pages": [{"a": 1}]}
    assert found["subscriptions"] == (str(UUID(int=1)),)
    assert found["events"] == ({"name": "node.up", "correlation": "12", "body": 7},)


def test_the_seeds_step_lists_can_be_registered() -> None:
    for definition in (enrollment.create_node_enrollment, enrollment.terminate_node_enrollment):
        sent = export_definition(definition)
        assert sent == type(sent).model_validate_json(sent.model_dump_json())
        assert sent.target in tuple(Target)
