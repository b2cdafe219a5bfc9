"""Carry out the wishes of people about a run: begin, stop, cancel, resume. (core)

    the run is       begin      stop       cancel                     resume
    created          starts     stopped    canceled                   409
    running          409        when the   when the work under way    409
    waiting          409        work       at once                    its waits and pauses end now
    halted           goes on    under way  at once                    the nodes that failed are due again
    stopped          goes on    ends       at once                    goes on
    being stopped    goes on    409        as above                   as begin
    being canceled   409        409        409                        409
    over             409        409        409                        409

A stop keeps the result of the node under way. A run that is being canceled stays so.
"""

from schemas.engine.graph import WaitKind
from schemas.engine.runs import RUN_OVER, NodeState, NodeStatus, RunStatus, WaitAnswer, WaitState, Want, WantKind
from schemas.errors import Conflict
from wms.engine.life.attempts import begin_node, end_node, end_wait, make_due
from wms.engine.life.graph import find_way
from wms.engine.life.open_run import RunDraft, calls_function, has_child
from wms.engine.life.stimuli import Begin, PutState, Resume, Wish, WriteNote
from wms.engine.life.variables import check_size, merge_deeply, merge_delta
from wms.engine.life.waiting import note_answer


def begin_run(draft: RunDraft, begin: Begin) -> None:
    """Start the run. If the run is stopped or halted, continue it.

    Raises:
        Conflict: the run's status does not allow this, or its form has not been evaluated.
    """
    _check_open(draft)
    status, want = draft.facts.status, draft.facts.want
    if draft.facts.pages is not None:
        raise Conflict("no step worker has evaluated the run's form yet")
    if status is RunStatus.CREATED and want is None:
        draft.change_run(started_at=draft.now)
        draft.add_row("begin", RunStatus.RUNNING, who=begin.who)
        if draft.n_by_status[NodeStatus.PENDING] == len(draft.graph.nodes):
            for number in draft.run.layout.roots:
                begin_node(draft, number)
        else:
            _decide_pending(draft)  # a relaunch, in which nodes keep their results
        return
    if want is None and status is not RunStatus.HALTED:
        raise Conflict(f"the run is {status} already")
    _check_not_canceling(draft)
    draft.add_row("begin", RunStatus.RUNNING, who=begin.who)
    _go_on_after_stop(draft)
    for number, state in list(draft.open_nodes()):
        if state.status is NodeStatus.HALTED:
            _begin_again(draft, number)


def _go_on_after_stop(draft: RunDraft) -> None:
    if draft.facts.started_at is None:
        draft.change_run(started_at=draft.now)
    if draft.facts.want is None:
        return
    draft.change_run(want=None)
    # Nodes that became ready meanwhile are still pending.
    _decide_pending(draft)


def _decide_pending(draft: RunDraft) -> None:
    draft.to_decide.extend(
        number for number in range(len(draft.graph.nodes)) if draft.node(number).status is NodeStatus.PENDING
    )


def put_state(draft: RunDraft, put: PutState) -> None:
    """Set keys of the state of a run that has not begun.

    Raises:
        Conflict: the run has begun.
        TooLarge: the state would be too large.
    """
    if draft.facts.status is not RunStatus.CREATED:
        raise Conflict(f"the run is {draft.facts.status}; its state can be set before it begins")
    state = merge_delta(draft.facts.state, put.values)
    check_size("state", state)
    draft.change_run(state=state)
    draft.add_row("put", draft.facts.status, delta=dict(put.values), who=put.who)


def write_note(draft: RunDraft, written: WriteNote) -> None:
    """Replace the note about the run. The log keeps each note with its author."""
    draft.change_run(note=written.note)
    draft.add_row("note", draft.facts.status, who=written.who, why=written.note)


def take_wish(draft: RunDraft, wish: Wish) -> None:
    """Record that the run must stop or be canceled. Cancel its open nodes, except those that a worker or a child works
    on.

    Raises:
        Conflict: the run is over, or such a wish is already being carried out.
    """
    _check_open(draft)
    before = draft.facts.want
    if before is not None and (before.kind is WantKind.CANCEL or before.kind is wish.kind):
        raise Conflict(f"the run is being {_PARTICIPLES.get(before.kind, before.kind)} already")
    draft.change_run(want=Want(kind=wish.kind, who=wish.who, why=wish.why, at=draft.now))
    draft.add_row(wish.kind, draft.facts.status, who=wish.who, why=wish.why)
    if wish.kind is not WantKind.CANCEL:
        return
    for number, state in list(draft.open_nodes()):
        if has_child(state) or (state.status is NodeStatus.DUE and not calls_function(draft.spec(number))):
            draft.cancels.append(number)
        elif state.status is not NodeStatus.TAKEN and not (state.status is NodeStatus.DUE and state.n_sent):
            end_node(draft, number, NodeStatus.CANCELED)


_PARTICIPLES = {WantKind.STOP: "stopped", WantKind.CANCEL: "canceled"}


def resume_run(draft: RunDraft, resume: Resume) -> None:
    """Continue a run that would continue only later, or not at all.

    Raises:
        Conflict: the run's status does not allow this, or nothing in the run can be resumed.
    """
    _check_open(draft)
    _check_not_canceling(draft)
    status, want = draft.facts.status, draft.facts.want
    if status in (RunStatus.CREATED, RunStatus.RUNNING) and want is None and resume.node is None:
        raise Conflict(f"the run is {status}: there is nothing to resume")
    numbers = _find_resumed(draft, resume)
    if not numbers and want is None:
        raise Conflict(f"the run is {status}: nothing in it can be resumed")
    draft.add_row("resume", status, who=resume.who, delta=dict(resume.given or {}))
    _go_on_after_stop(draft)
    given = resume.given
    for number in numbers:
        wait = draft.node(number).wait
        if given is not None and wait is not None and wait.kind is WaitKind.INPUT and wait.state is WaitState.ARMED:
            answer = WaitAnswer(id=f"resume/{draft.facts.n_rows}", body=dict(given), who=resume.who, at=draft.now)
            draft.change_node(number, wait=note_answer(wait, answer))
            end_wait(draft, number, answer)
            continue
        if given is not None:
            merged = merge_deeply(draft.facts.state, given)
            check_size("state", merged)
            draft.change_run(state=merged)
            given = None
        _begin_again(draft, number)


def _find_resumed(draft: RunDraft, resume: Resume) -> list[int]:
    if resume.node is None:
        return [number for number, state in draft.open_nodes() if _can_resume(state, resume)]
    number = draft.run.find_node(resume.node)
    if number is None or not _can_resume(draft.node(number), resume):
        where = "unknown" if number is None else str(draft.node(number).status)
        raise Conflict(f"the node {resume.node!r} is {where}: it cannot be resumed")
    return [number]


def _can_resume(state: NodeState, resume: Resume) -> bool:
    """Return whether a person may end the wait of the node. The wait for an approval, an event or a child cannot be
    skipped.
    """
    if state.status is NodeStatus.WAITING:
        kinds = {WaitKind.CALLBACK, WaitKind.POLL} | ({WaitKind.INPUT} if resume.given is not None else set())
        return state.wait is not None and state.wait.kind in kinds
    return state.status in (NodeStatus.HALTED, NodeStatus.RETRYING)


def _begin_again(draft: RunDraft, number: int) -> None:
    """Make a node due again. If its author set another node for restarts, begin with that node."""
    start = draft.spec(number).restarts
    if start is None:
        start = draft.run.layout.opened_by.get(number, number)
    for between in {*find_way(draft.graph, start, number), number}:
        if between != start:
            draft.change_node(between, status=NodeStatus.PENDING, wait=None, wake_at=None, error=None, ended_at=None)
    draft.change_node(start, n_failures=0)
    if draft.spec(start).wait is not None and not draft.spec(start).function:
        begin_node(draft, start)
    else:
        make_due(draft, start)


def _check_not_canceling(draft: RunDraft) -> None:
    if draft.facts.want is not None and draft.facts.want.kind is WantKind.CANCEL:
        raise Conflict("the run is being canceled")


def _check_open(draft: RunDraft) -> None:
    if draft.facts.status in RUN_OVER:
        raise Conflict(f"the run is over: it is {draft.facts.status}")
