"""Make the steps of a process from the rows of its run's log and from its nodes. (core)

The steps are in this order: the finished attempts, the open steps, the steps that have not run. Consecutive failures of
a step with the same status, user and error are one step: `retries` counts the repetitions, and `completed_at` has the
time of each. The log keeps all of them.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from schemas.api.processes import ProcessAct, ProcessStep
from schemas.engine.graph import Node
from schemas.engine.processes import StepStatus
from schemas.engine.run_documents import LogRow, RunDocument
from schemas.engine.runs import NODE_OPEN, NodeError, NodeState, NodeStatus, WantKind
from schemas.ids import NodeKey
from wms.engine.life.variables import mask_values
from wms.processes.process_status import find_step_status

#: The function of the step that completes a list.
_DONE_FUNCTION = "ewms.steps.done"
#: Log rows about the end of an attempt. Others are acts of people.
_ENDED = "ended"
_ABORTED = "Aborted"


def describe_error(error: NodeError) -> dict[str, Any]:
    """Return an error in the form of a failed step's state: `class`, `error`, `traceback`, and the error's further
    facts.
    """
    return {**error.details, "class": error.error_class, "error": error.message, "traceback": error.traceback}


def list_steps(run: RunDocument, rows: Sequence[LogRow]) -> list[ProcessStep]:
    """Return the steps of `run`, whose log is `rows`."""
    specs = {node.key: node for node in run.graph.nodes}
    ended = list(_fold_failures(_list_ended(run, rows, specs)))
    return [*ended, *_list_unended(run)]


def list_acts(rows: Iterable[LogRow]) -> list[ProcessAct]:
    """Return what people did with the process, in the order of `rows`. Leave out rows about the ends of steps."""
    return [ProcessAct(act=row.act, who=row.who, why=row.why, at=row.at) for row in rows if row.act != _ENDED]


def list_ended_steps(run: RunDocument, rows: Sequence[LogRow], row: LogRow) -> list[ProcessStep]:
    """Return a list with the step that `row` is about. Return an empty list if `row` is about an action of a person.

    `rows` are all rows of the log.
    """
    specs = {node.key: node for node in run.graph.nodes}
    cancel = _find_cancel(rows)
    if row.act != _ENDED or row.node is None:
        return []
    return [_make_step(run, row, specs.get(row.node), canceled_by=cancel.who if cancel else "")]


def _find_cancel(rows: Iterable[LogRow]) -> LogRow | None:
    return next((row for row in rows if row.act == WantKind.CANCEL), None)


def _list_ended(run: RunDocument, rows: Sequence[LogRow], specs: Mapping[NodeKey, Node]) -> Iterator[ProcessStep]:
    cancel = _find_cancel(rows)
    is_aborted = any(row.act == _ENDED and row.node is not None and row.status == NodeStatus.CANCELED for row in rows)
    for row in rows:
        if row.act == _ENDED and row.node is not None:
            yield _make_step(run, row, specs.get(row.node), canceled_by=cancel.who if cancel else "")
        elif row is cancel and not is_aborted:
            yield ProcessStep(
                key="",
                name=_ABORTED,
                status=StepStatus.ABORT,
                started=row.at,
                completed=row.at,
                created_by=row.who,
                completed_at=(row.at,),
                explanation=row.why,
            )


def _make_step(run: RunDocument, row: LogRow, spec: Node | None, *, canceled_by: str) -> ProcessStep:
    is_done = spec is not None and spec.function == _DONE_FUNCTION
    status = find_step_status(NodeStatus(row.status), is_done=is_done)
    who = canceled_by if status is StepStatus.ABORT and canceled_by else row.who
    return ProcessStep(
        key=row.node or "",
        name=row.name or (spec.name if spec is not None else ""),
        status=status,
        attempt=row.attempt,
        started=row.started_at,
        completed=row.at,
        created_by=who,
        state_delta=mask_values(row.delta, run.masked) if row.error is None else describe_error(row.error),
        removed=row.removed,
        completed_at=(row.at,),
        explanation=row.why,
    )


def _fold_failures(steps: Iterable[ProcessStep]) -> Iterator[ProcessStep]:
    last: ProcessStep | None = None
    for step in steps:
        if last is not None and _is_repetition(last, step):
            last = last.model_copy(
                update={
                    "retries": last.retries + 1,
                    "completed": step.completed,
                    "attempt": step.attempt,
                    "completed_at": (*last.completed_at, *step.completed_at),
                }
            )
            continue
        if last is not None:
            yield last
        last = step
    if last is not None:
        yield last


def _is_repetition(last: ProcessStep, step: ProcessStep) -> bool:
    if step.status not in (StepStatus.FAILED, StepStatus.WAITING):
        return False
    return (last.key, last.status, last.created_by, _name_failure(last)) == (
        step.key,
        step.status,
        step.created_by,
        _name_failure(step),
    )


def _name_failure(step: ProcessStep) -> tuple[Any, Any]:
    # The text of a traceback holds addresses and line numbers of a worker's installation, so it names no failure.
    return step.state_delta.get("class"), step.state_delta.get("error")


def _list_unended(run: RunDocument) -> Iterator[ProcessStep]:
    """Yield the open steps and those that have not run. Failed steps are left out, because the log has them."""
    for spec, state in zip(run.graph.nodes, run.nodes, strict=True):
        if state.status is NodeStatus.PENDING:
            yield ProcessStep(key=state.key, name=spec.name, status=StepStatus.PENDING)
        elif state.status in NODE_OPEN and state.status not in (NodeStatus.HALTED, NodeStatus.RETRYING):
            yield _make_open_step(spec, state)


def _make_open_step(spec: Node, state: NodeState) -> ProcessStep:
    kind = state.wait.kind if state.wait is not None else None
    return ProcessStep(
        key=state.key,
        name=spec.name,
        status=find_step_status(state.status, kind),
        attempt=state.attempt,
        started=state.started_at,
        created_by=state.taken_by,
        explanation=state.explanation,
        next_attempt_at=state.wake_at if state.n_polls else None,
        progress=state.wait.progress if state.wait is not None else None,
    )
