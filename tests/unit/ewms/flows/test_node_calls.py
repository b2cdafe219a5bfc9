"""A worker calls the nodes of flows. Tests name the contract's rows they prove."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from ewms.flows import CompositeExecutor, FlowContext, NodeDefine, Operation, PollingNode, WorkflowNode
from ewms.flows.node_calls import call_flow_node
from ewms.flows.node_scope import MAX_RESULT
from schemas.engine.flows import MAX_POLLS
from schemas.engine.runs import Outcome
from schemas.events import NodeRun

RUN = "3f6b2c1a-5b0e-4b5e-8c2e-0a1b2c3d4e5f"


def order(**fields: Any) -> NodeRun:
    return NodeRun.model_validate(
        {
            "run": 7,
            "node": "start",
            "attempt": 1,
            "pool": "default",
            "run_uuid": RUN,
            "definition": "create_cluster",
            "definition_hash": "h",
            "function": "f",
            "name": "n",
            "state": {"name": "c1"},
            "variables": {"biz_id": "c-1", "biz_type": "cluster"},
            "params": {"size": 3},
            "idempotency_key": f"{RUN}/start",
            **fields,
        }
    )


def sync(executor: Any) -> NodeDefine:
    return NodeDefine("check", executor=executor)


def polling(executor: Any, poll: Any = lambda node, context: Operation.processing()) -> NodeDefine:
    return NodeDefine("create", kind=PollingNode, executor=executor, poll=poll)


def test_a_sync_node_is_done_when_its_executor_returns_and_says_completed() -> None:
    def check(node: WorkflowNode, context: FlowContext) -> None:
        assert (node.name, node.key, node.parent_id, node.biz_id, node.biz_type) == (
            "check",
            "start",
            RUN,
            "c-1",
            "cluster",
        )
        assert node.parameters == {"size": 3}
        context.set_data("hosts", {"a", "b"})
        del context["name"]

    fields = call_flow_node(sync(check), order())
    assert (fields["outcome"], fields["delta"], fields["removed"]) == (
        Outcome.SUCCESSFUL,
        {"hosts": ["a", "b"]},
        ("name",),
    )
    assert fields["artifacts"] == {"operation_id": "", "result": "Completed."}
    assert fields["error"] is None


def test_lines_accumulate_and_the_result_is_bounded() -> None:
    def check(node: WorkflowNode, _: FlowContext) -> None:
        node.append_result("one", 2)
        node.append_result("three")

    assert call_flow_node(sync(check), order())["artifacts"]["result"] == "one\n2\nthree"
    long = call_flow_node(sync(lambda node, _: node.append_result("x" * (MAX_RESULT + 9))), order())
    assert len(long["artifacts"]["result"]) == MAX_RESULT


async def test_a_coroutine_function_is_awaited() -> None:
    async def check(node: WorkflowNode, context: FlowContext) -> None:
        await asyncio.sleep(0)
        context["seen"] = node.name

    fields = await asyncio.to_thread(call_flow_node, sync(check), order())
    assert fields["delta"] == {"seen": "check"}


@pytest.mark.parametrize("error", [ValueError("no host"), SystemExit("no host")])
def test_2_3_what_an_executor_raises_fails_its_node_and_its_context_is_kept(error: BaseException) -> None:
    def check(node: WorkflowNode, context: FlowContext) -> None:
        node.append_result("looked")
        context["allocated"] = 3
        raise error

    fields = call_flow_node(sync(check), order())
    assert fields["outcome"] is Outcome.FAILED
    assert (fields["delta"], fields["keeps_changes"]) == ({"allocated": 3}, True)
    assert fields["artifacts"]["result"] == "looked\nno host"
    assert fields["error"].error_class == type(error).__name__


def test_an_interrupt_of_the_worker_passes_through() -> None:
    def check(node: WorkflowNode, context: FlowContext) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        call_flow_node(sync(check), order())


def test_a_context_value_that_is_no_json_fails_the_node() -> None:
    fields = call_flow_node(sync(lambda _, context: context.set_data("x", object())), order())
    assert (fields["outcome"], fields["delta"]) == (Outcome.FAILED, {})
    assert "x is a object" in fields["error"].message


def test_a_composite_executor_stops_at_the_first_error() -> None:
    calls: list[str] = []

    def record(name: str) -> Callable[[WorkflowNode, FlowContext], None]:
        return lambda _, __: calls.append(name)

    def fail(node: WorkflowNode, context: FlowContext) -> None:
        calls.append("fail")
        raise ValueError("no")

    parts = CompositeExecutor(record("a"), CompositeExecutor(record("b"), fail), record("c"))
    assert call_flow_node(sync(parts), order())["outcome"] is Outcome.FAILED
    assert calls == ["a", "b", "fail"]


def test_d3_a_polling_node_starts_its_operation_once_and_then_looks_at_it() -> None:
    started: list[str] = []

    def start(node: WorkflowNode, context: FlowContext) -> None:
        started.append(node.idempotency_key)
        node.operation_id = "op-7"
        context["vm"] = 1

    def look(node: WorkflowNode, context: FlowContext) -> Operation:
        assert (node.operation_id, context["name"]) == ("op-7", "c1")
        return Operation.processing()

    first = call_flow_node(polling(start, look), order())
    assert (first["outcome"], first["poll_after_s"]) == (Outcome.PENDING, 3.0)
    assert (first["artifacts"], first["delta"]) == ({"operation_id": "op-7", "result": ""}, {"vm": 1})
    second = call_flow_node(polling(start, look), order(n_polls=1, artifacts=first["artifacts"]))
    assert (second["outcome"], second["artifacts"]) == (Outcome.PENDING, first["artifacts"])
    assert started == [f"{RUN}/start"]


@pytest.mark.parametrize(
    ("poll", "outcome", "result"),
    [
        (lambda *_: Operation.finished("3 hosts"), Outcome.SUCCESSFUL, "3 hosts"),
        (lambda *_: Operation.finished(), Outcome.SUCCESSFUL, "Completed."),
        (lambda *_: Operation.error("disk full"), Outcome.FAILED, "disk full"),
        (lambda *_: 1 / 0, Outcome.FAILED, "division by zero"),
        (lambda *_: None, Outcome.FAILED, "the poll of 'create' returned a NoneType; it returns an Operation"),
    ],
)
def test_2_3_a_poll_ends_its_node_and_an_error_does_so_at_once(poll: Any, outcome: Outcome, result: str) -> None:
    fields = call_flow_node(polling(lambda *_: None, poll), order(n_polls=3, artifacts={"operation_id": "op-7"}))
    assert (fields["outcome"], fields["artifacts"]) == (outcome, {"operation_id": "op-7", "result": result})


def test_2_3_a_polling_node_that_its_executor_has_finished_is_not_polled() -> None:
    fields = call_flow_node(polling(lambda node, _: node.finish("it was there")), order())
    assert (fields["outcome"], fields["artifacts"]["result"]) == (Outcome.SUCCESSFUL, "it was there")


def test_t19_the_last_look_is_number_864000_and_then_the_node_has_timed_out() -> None:
    assert MAX_POLLS == 864_000
    define = polling(lambda *_: None)
    assert call_flow_node(define, order(n_polls=MAX_POLLS - 1))["outcome"] is Outcome.PENDING
    fields = call_flow_node(define, order(n_polls=MAX_POLLS))
    assert fields["outcome"] is Outcome.FAILED
    assert (fields["error"].error_class, fields["error"].details["details"]) == ("NodePollingTimeOut", {"code": 40105})
    assert (
        call_flow_node(polling(None, lambda *_: Operation.finished()), order(n_polls=MAX_POLLS))["outcome"]
        == "successful"
    )
