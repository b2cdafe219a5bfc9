"""Call a node of a flow: its executor first, then its poll again and again.

    n_polls = 0    the executor runs    returns: done, or for a polling node, unless it is finished: pending
    n_polls > 0    the poll runs        processing: pending      finished: done      error, or raises: failed

The engine keeps the operation's id with the answer `pending`, so that a crash after it starts no second operation.
"""

import asyncio
import inspect
from collections.abc import Callable, Coroutine, Mapping
from copy import deepcopy
from typing import Any, ClassVar

from ewms.flows.defining import CompositeExecutor, Executor, FlowNodeKind, NodeDefine
from ewms.flows.node_scope import FlowContext, Operation, OperationStatus, WorkflowNode
from ewms.steps.json_values import to_plain
from ewms.steps.step_errors import describe_error
from ewms.steps.wire_outcomes import describe_failure
from schemas.engine.flows import BIZ_ID, BIZ_TYPE, MAX_POLLS, OPERATION_ID, POLL_EVERY_S, RESULT, FlowErrorCode
from schemas.engine.runs import NodeError, Outcome
from schemas.events import NodeRun

RunCoroutine = Callable[[Coroutine[Any, Any, Any]], Any]

#: These end the worker, or the task in which the node runs. They are no failures of the node.
_INTERRUPTS = (KeyboardInterrupt, GeneratorExit, asyncio.CancelledError)


class OperationFailed(Exception):
    """The operation that a polling node has started ended with an error."""


class NodePollingTimeOut(Exception):
    """The operation had not ended at the last look."""

    details: ClassVar = {"code": int(FlowErrorCode.NODE_POLLING_TIME_OUT)}


def call_flow_node(define: NodeDefine, order: NodeRun, *, run_coroutine: RunCoroutine = asyncio.run) -> dict[str, Any]:
    """Call the executor or the poll of a node and return the fields of `node.ended`. If they raise, the node fails."""
    context = FlowContext(deepcopy(order.state))
    node = _make_node(define, order)
    outcome, error = Outcome.SUCCESSFUL, None
    try:
        if _is_pending(define, node, context, order.n_polls, run_coroutine):
            outcome = Outcome.PENDING
        else:
            node.complete_result()
        changes = _find_changes(order.state, context)
    except _INTERRUPTS:
        raise
    except BaseException as raised:  # noqa: BLE001 - a SystemExit of user code fails its node, too
        outcome, error = Outcome.FAILED, describe_failure(describe_error(raised))
        node.append_result(str(raised) or type(raised).__name__)
        changes = _find_sound_changes(order.state, context)
    return _describe_end(node, outcome, changes, error)


def _make_node(define: NodeDefine, order: NodeRun) -> WorkflowNode:
    return WorkflowNode(
        name=define.name,
        key=order.node,
        parent_id=order.run_uuid,
        biz_id=str(order.variables.get(BIZ_ID, "")),
        biz_type=str(order.variables.get(BIZ_TYPE, "")),
        idempotency_key=order.idempotency_key,
        parameters=deepcopy(order.params),
        operation_id=str(order.artifacts.get(OPERATION_ID, "")),
        result=str(order.artifacts.get(RESULT, "")),
    )


def _is_pending(
    define: NodeDefine, node: WorkflowNode, context: FlowContext, n_polls: int, run_coroutine: RunCoroutine
) -> bool:
    """Call the executor or the poll, and return whether the node's operation goes on."""
    if n_polls == 0:
        assert define.executor is not None  # `WorkflowDefine` has checked it
        _call_executor(define.executor, node, context, run_coroutine)
        return define.kind is FlowNodeKind.POLLING_NODE and not node.is_finished
    assert define.poll is not None  # only a polling node answers `pending`
    operation = _call_function(define.poll, node, context, run_coroutine)
    if not isinstance(operation, Operation):
        raise TypeError(f"the poll of {node.name!r} returned a {type(operation).__name__}; it returns an Operation")
    if operation.status is OperationStatus.ERROR:
        raise OperationFailed(operation.text or "the operation failed")
    if operation.status is OperationStatus.PROCESSING:
        if n_polls >= MAX_POLLS:
            raise NodePollingTimeOut(
                f"workflow node polling time out: {node.operation_id!r} had not ended after {n_polls} looks"
            )
        return True
    if operation.text:
        node.append_result(operation.text)
    return False


def _call_executor(
    executor: Executor | CompositeExecutor, node: WorkflowNode, context: FlowContext, run_coroutine: RunCoroutine
) -> None:
    if isinstance(executor, CompositeExecutor):
        for part in executor.executors:
            _call_executor(part, node, context, run_coroutine)
    else:
        _call_function(executor, node, context, run_coroutine)


def _call_function(function: Executor, node: WorkflowNode, context: FlowContext, run_coroutine: RunCoroutine) -> Any:
    result = function(node, context)
    return run_coroutine(result) if inspect.iscoroutine(result) else result


def _find_changes(before: Mapping[str, Any], context: FlowContext) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return the keys of the context that have changed, as JSON, and those that are gone.

    Raises:
        NotPlain: a value is no JSON.
    """
    after = to_plain(context)
    changed = {key: value for key, value in after.items() if key not in before or before[key] != value}
    return changed, tuple(sorted(before.keys() - after.keys()))


def _find_sound_changes(before: Mapping[str, Any], context: FlowContext) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return the changes of a context. If one of its values has no JSON form, return no changes at all."""
    try:
        return _find_changes(before, context)
    except (TypeError, ValueError, RecursionError):
        return {}, ()


def _describe_end(
    node: WorkflowNode, outcome: Outcome, changes: tuple[dict[str, Any], tuple[str, ...]], error: NodeError | None
) -> dict[str, Any]:
    return {
        "outcome": outcome,
        "delta": changes[0],
        "removed": changes[1],
        "keeps_changes": True,
        "artifacts": {OPERATION_ID: str(node.operation_id), RESULT: node.result},
        "poll_after_s": POLL_EVERY_S,
        "error": error,
    }
