"""Continue a run below the nodes that are over, and decide its status. (core)

at work        a step is due or taken, or a child runs        running
else           the run is to be canceled                      canceled
               every node is over                             as the branching profile judges
               the run is to be stopped                       stopped
               a node is halted                               halted
               else                                           waiting
"""

from collections.abc import Mapping

from schemas.engine.graph import BranchingProfile
from schemas.engine.runs import NODE_OPEN, NodeState, NodeStatus, RunStatus, WantKind
from wms.engine.life.attempts import begin_node, end_node
from wms.engine.life.branching import Readiness, judge_run
from wms.engine.life.open_run import RunDraft


def go_on(draft: RunDraft) -> None:
    """Decide about the nodes below those that are over, and about the status of the run."""
    while draft.to_decide:
        number = draft.to_decide.popleft()
        if draft.node(number).status is not NodeStatus.PENDING:
            continue
        match draft.find_readiness(number):
            case Readiness.PASS:
                end_node(draft, number, NodeStatus.PASSED)
            case Readiness.RUN if draft.facts.want is None:
                begin_node(draft, number)
            case _:
                pass
    _judge_status(draft)


def _judge_status(draft: RunDraft) -> None:
    n_open = sum(draft.n_by_status[status] for status in NODE_OPEN)
    n_pending = draft.n_by_status[NodeStatus.PENDING]
    want = draft.facts.want
    is_at_work = n_open > 0 and draft.is_at_work()
    if want is not None and want.kind is WantKind.CANCEL and not is_at_work:
        end_run(draft, RunStatus.CANCELED, want.why)
    elif not n_open and not n_pending:
        end_run(draft, *_judge_end(draft))
    elif is_at_work:
        _set_status(draft, RunStatus.RUNNING)
    elif want is not None:
        _set_status(draft, RunStatus.STOPPED)
    elif draft.n_by_status[NodeStatus.HALTED]:
        _set_status(draft, RunStatus.HALTED)
    else:
        _set_status(draft, RunStatus.WAITING)


def _set_status(draft: RunDraft, status: RunStatus) -> None:
    if draft.facts.status is not status:
        draft.change_run(status=status)


def _judge_end(draft: RunDraft) -> tuple[RunStatus, str]:
    if draft.graph.profile is BranchingProfile.CHAIN and draft.n_by_status[NodeStatus.CANCELED]:
        return RunStatus.CANCELED, "a step canceled it"
    if draft.graph.is_leaf:
        return _judge_leaf(draft.node(0))
    nodes = (
        (spec.key, draft.node(number).status, [edge.kind for edge in spec.edges])
        for number, spec in enumerate(draft.graph.nodes)
    )
    return judge_run(
        draft.graph.profile,
        nodes,
        any_failure_fails=draft.graph.any_failure_fails,
        ends_as_worst_node=draft.graph.ends_as_worst_node,
    )


def _judge_leaf(only: NodeState) -> tuple[RunStatus, str]:
    why = only.explanation or ("" if only.error is None else only.error.message)
    return _LEAF_STATUS.get(only.status, RunStatus.ERROR), why


_LEAF_STATUS: Mapping[NodeStatus, RunStatus] = {
    NodeStatus.SUCCESSFUL: RunStatus.SUCCESSFUL,
    NodeStatus.SKIPPED: RunStatus.SUCCESSFUL,
    NodeStatus.FAILED: RunStatus.FAILED,
    NodeStatus.CANCELED: RunStatus.CANCELED,
}


def end_run(draft: RunDraft, status: RunStatus, explanation: str) -> None:
    """End the run. Pending nodes become passed, open nodes become canceled.

    Precondition: no step is due or taken, and no child runs.
    """
    for number, state in list(draft.open_nodes()):
        end_node(draft, number, NodeStatus.CANCELED, explanation=state.explanation)
    if draft.n_by_status[NodeStatus.PENDING]:
        for number in range(len(draft.graph.nodes)):
            if draft.node(number).status is NodeStatus.PENDING:
                end_node(draft, number, NodeStatus.PASSED)
    draft.to_decide.clear()
    draft.change_run(status=status, explanation=explanation, ended_at=draft.now)
    draft.add_row("ended", status, why=explanation)
