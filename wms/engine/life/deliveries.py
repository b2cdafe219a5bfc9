"""Follow the orders that WMS has sent to step workers: taken, returned, lost, or without a worker. (core)

    due ── node.taken ──► taken              n_taken + 1
    due, taken ── its worker is gone ──► due again, n_lost + 1; after the third loss the node ends as WorkerLost
    due ── no worker offers its function ──► due, with an explanation, and sent again later

Each order has the number of earlier losses, and each report repeats this number. So a loss that is reported twice
counts once.
"""

from schemas.engine.runs import NodeState, NodeStatus, Outcome, WantKind
from schemas.errors import Conflict
from schemas.events import NodeReturned, NodeTaken
from schemas.ids import NodeKey
from wms.engine.life.attempts import MAX_LOSSES, end_node, find_repeat_at, finish_attempt
from wms.engine.life.open_run import RunDraft, calls_function, make_error
from wms.engine.life.stimuli import StepWorkerCame, StepWorkerGone, Unserved

#: Only in these statuses may a step worker report on a node.
AT_WORK = frozenset({NodeStatus.DUE, NodeStatus.TAKEN})


def find_current(draft: RunDraft, key: NodeKey, attempt: int, *, of_step: bool = False) -> tuple[int, NodeState]:
    """Return the number and the state of the node `key`, whose current attempt must be `attempt`.

    Raises:
        Conflict: there is no such node, it calls no function although `of_step`, or `attempt` is not the current
            attempt.
    """
    number = draft.run.find_node(key)
    if number is None:
        raise Conflict(f"the run has no node {key!r}")
    state = draft.node(number)
    if of_step and not calls_function(draft.spec(number)):
        raise Conflict(f"the node {key!r} calls no function")
    if state.attempt != attempt:
        raise Conflict(f"attempt {attempt} of the node {key!r} is not the current one, which is {state.attempt}")
    return number, state


def note_taking(draft: RunDraft, taken: NodeTaken) -> None:
    """Record which step worker has a node, and since when.

    Raises:
        Conflict: the report is about an older attempt or an older order, or the node is not at work.
    """
    number, state = find_current(draft, taken.node, taken.attempt, of_step=True)
    if state.status not in AT_WORK:
        raise Conflict(f"the node {taken.node!r} is {state.status}, so no step worker needs to work on it")
    if taken.n_lost != state.n_lost:
        raise Conflict(f"the node {taken.node!r} was sent again since: {taken.worker} was given up")
    deadline = state.deadline
    if deadline is None and (timeout := draft.spec(number).timeout) is not None:
        deadline = draft.now + timeout
    draft.change_node(
        number,
        status=NodeStatus.TAKEN,
        n_taken=state.n_taken + 1,
        taken_by=taken.worker,
        started_at=state.started_at or taken.taken_at,
        deadline=deadline,
        wake_at=deadline,
        explanation="",
    )


def note_unserved(draft: RunDraft, unserved: Unserved) -> None:
    """Record why no worker can run a due node, and when the engine sends the node again.

    Raises:
        Conflict: the report is about an older attempt, or a worker has the node.
    """
    number, state = find_current(draft, unserved.node, unserved.attempt, of_step=True)
    if state.status is not NodeStatus.DUE or state.n_taken:
        raise Conflict(f"the node {unserved.node!r} is {state.status}: somebody works on it")
    if is_canceling(draft):
        end_node(draft, number, NodeStatus.CANCELED)
    else:
        # No worker has got the order, so a cancellation need not wait.
        draft.change_node(number, n_sent=0, explanation=unserved.why, wake_at=draft.now + unserved.again_after)


def send_unserved(draft: RunDraft, came: StepWorkerCame) -> None:
    """A worker of the pool has come. Send the nodes that no worker of this pool could run before."""
    for number, state in list(draft.open_nodes()):
        is_unserved = state.status is NodeStatus.DUE and not state.n_sent
        if is_unserved and not is_canceling(draft) and draft.run.pool_of(number) == came.pool:
            send_step(draft, number, n_sent=1)


def send_again(draft: RunDraft, gone: StepWorkerGone) -> None:
    """Send the nodes of a lost step worker again. The attempt stays the same, because the worker did not end it."""
    for number, state in list(draft.open_nodes()):
        if state.status is NodeStatus.TAKEN and state.taken_by == gone.worker:
            _count_loss(draft, number, gone.worker)


def take_back(draft: RunDraft, returned: NodeReturned) -> None:
    """A worker of the node was lost: count the loss, and send the node again.

    Raises:
        Conflict: the report is about an older attempt or an older order, or the node is not at work.
    """
    number, state = find_current(draft, returned.node, returned.attempt, of_step=True)
    if state.status not in AT_WORK or returned.n_lost != state.n_lost:
        raise Conflict(f"the node {returned.node!r} is {state.status}, and was sent again since")
    _count_loss(draft, number, state.taken_by)


def _count_loss(draft: RunDraft, number: int, worker: str) -> None:
    """Count the loss of a node's worker, and send the node again. After too many losses, end the node."""
    n_lost = draft.node(number).n_lost + 1
    draft.change_node(number, n_lost=n_lost)
    if n_lost >= MAX_LOSSES:
        error = make_error("WorkerLost", f"{n_lost} step workers took it, and none said how it ended")
        finish_attempt(draft, number, Outcome.ERROR, error=error, who=worker)
    elif is_canceling(draft):
        end_node(draft, number, NodeStatus.CANCELED)
    else:
        send_step(draft, number, n_sent=1)


def send_step(draft: RunDraft, number: int, *, n_sent: int) -> None:
    """Make a node due, and send it to the step workers of its pool. `n_sent` counts the sends, this one included."""
    draft.change_node(
        number, status=NodeStatus.DUE, taken_by="", n_sent=n_sent, wake_at=find_repeat_at(draft.now, n_sent)
    )
    draft.sends.append(number)


def is_canceling(draft: RunDraft) -> bool:
    """Return whether the run is being canceled."""
    return draft.facts.want is not None and draft.facts.want.kind is WantKind.CANCEL
