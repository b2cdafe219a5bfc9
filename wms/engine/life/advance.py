"""Decide about a run: `advance(run, stimulus, now) -> decision`. (core)

A stimulus about an older attempt than the current one changes nothing, and is a `Conflict`. So a late report of a step
worker that counted as dead does no harm, and neither does a second report of a child's end, or a repeated event.
"""

from datetime import datetime

from schemas.engine.runs import RUN_OVER, NodeState, NodeStatus, Outcome, RunStatus, Wait, WantKind
from schemas.errors import Conflict
from schemas.events import NodeEnded, NodeReturned, NodeTaken
from wms.engine.life.answers import note_progress, take_answer
from wms.engine.life.attempts import (
    end_node,
    expire_wait,
    find_repeat_at,
    finish_attempt,
    make_due,
)
from wms.engine.life.child_forms import fill_form, refuse_form
from wms.engine.life.deliveries import (
    AT_WORK,
    find_current,
    is_canceling,
    note_taking,
    note_unserved,
    send_again,
    send_step,
    send_unserved,
    take_back,
)
from wms.engine.life.open_run import OpenRun, RunDecision, RunDraft, calls_function, has_child, make_error
from wms.engine.life.run_status import go_on
from wms.engine.life.stimuli import (
    Begin,
    CallbackProgress,
    ChildEnded,
    ChildStarted,
    LaunchFormFilled,
    LaunchFormRefused,
    PutState,
    Resume,
    RunStimulus,
    StepWorkerCame,
    StepWorkerGone,
    TimePassed,
    Unserved,
    WaitAnswered,
    Wish,
    WriteNote,
)
from wms.engine.life.waiting import arm_child, has_expired
from wms.engine.life.wishes import begin_run, put_state, resume_run, take_wish, write_note


def advance(run: OpenRun, stimulus: RunStimulus, now: datetime) -> RunDecision:
    """Return the decision about `stimulus`. The run does not change; `apply_decision` changes it after the commit.

    Raises:
        Conflict: the run or the node has changed, so the stimulus no longer applies; or the run's status does not allow
            the wish.
        TooLarge: the state would be too large.
    """
    draft = RunDraft(run, now)
    answer = None
    match stimulus:
        case Begin():
            begin_run(draft, stimulus)
        case PutState():
            put_state(draft, stimulus)
            return draft.settle()
        case WriteNote():
            write_note(draft, stimulus)
            return draft.settle()
        case LaunchFormFilled():
            fill_form(draft, stimulus)
        case LaunchFormRefused():
            refuse_form(draft, stimulus)
        case Wish():
            take_wish(draft, stimulus)
        case Resume():
            resume_run(draft, stimulus)
        case NodeTaken():
            note_taking(draft, stimulus)
        case NodeReturned():
            take_back(draft, stimulus)
        case NodeEnded():
            _take_end(draft, stimulus)
        case WaitAnswered():
            answer = take_answer(draft, stimulus)
        case CallbackProgress():
            answer = note_progress(draft, stimulus)
        case ChildStarted():
            _note_child(draft, stimulus)
        case ChildEnded():
            _end_child(draft, stimulus)
        case Unserved():
            note_unserved(draft, stimulus)
        case StepWorkerCame():
            send_unserved(draft, stimulus)
        case StepWorkerGone():
            send_again(draft, stimulus)
        case TimePassed():
            _wake_nodes(draft)
    has_begun = draft.facts.started_at is not None or draft.facts.want is not None
    if has_begun and draft.facts.status not in RUN_OVER:
        go_on(draft)
    return draft.settle(answer)


def _take_end(draft: RunDraft, ended: NodeEnded) -> None:
    number, state = find_current(draft, ended.node, ended.attempt, of_step=True)
    if ended.n_polls == 0 < state.n_polls:
        # The first call may start something. Its late twin must not end a node that is polled already.
        raise Conflict(f"the first call of the node {ended.node!r} has been answered before, by `pending`")
    # The answer to a repeated `node.run` may have been `pending`. This is then the answer to the first one.
    polls = state.status is NodeStatus.WAITING and state.n_polls > 0
    if state.status not in AT_WORK and not (polls and ended.outcome is not Outcome.PENDING):
        raise Conflict(f"the node {ended.node!r} is {state.status}: its attempt {ended.attempt} has ended already")
    takes_effect = finish_attempt(
        draft,
        number,
        ended.outcome,
        delta=ended.delta,
        removed=ended.removed,
        keeps_changes=ended.keeps_changes,
        artifacts=ended.artifacts,
        error=ended.error,
        poll_after_s=ended.poll_after_s,
        name=ended.name,
        who=ended.worker,
        started_at=ended.started_at,
    )
    if not takes_effect:
        return
    if new := [one for one in dict.fromkeys(ended.subscriptions) if one not in draft.facts.subscriptions]:
        draft.change_run(subscriptions=(*draft.facts.subscriptions, *new))
    if ended.models or ended.events or ended.children:
        draft.brought = ended


def _note_child(draft: RunDraft, started: ChildStarted) -> None:
    number, state = find_current(draft, started.node, started.attempt)
    if state.status is not NodeStatus.DUE:
        raise Conflict(f"the node {started.node!r} is {state.status}: it has its child already, or wants none")
    timeout = draft.spec(number).timeout
    deadline = None if timeout is None else draft.now + timeout
    draft.change_node(
        number,
        status=NodeStatus.WAITING,
        wait=arm_child(draft.now),
        child_run=started.run,
        workflow_id=started.workflow_id,
        started_at=draft.now,
        n_sent=1,
        deadline=deadline,
        wake_at=_find_look_at(draft, 1, deadline),
    )
    if draft.facts.want is not None and draft.facts.want.kind is WantKind.CANCEL:
        draft.cancels.append(number)


def _end_child(draft: RunDraft, ended: ChildEnded) -> None:
    number, state = find_current(draft, ended.node, ended.attempt)
    if not (has_child(state) or (state.status is NodeStatus.DUE and not calls_function(draft.spec(number)))):
        raise Conflict(f"the node {ended.node!r} is {state.status}: its child has ended already")
    key = draft.spec(number).result_key
    bad = ended.outcome not in (Outcome.SUCCESSFUL, Outcome.SKIPPED)
    if new := [name for name in ended.masked if name not in draft.facts.masked]:
        draft.change_run(masked=(*draft.facts.masked, *new))
    finish_attempt(
        draft,
        number,
        ended.outcome,
        delta={key: ended.result} if key and not bad else None,
        artifacts=ended.artifacts,
        error=make_error("ChildEnded", ended.explanation or f"it ended as {ended.outcome}") if bad else None,
    )


def _wake_nodes(draft: RunDraft) -> None:
    """For each open node, do the work that is due at the draft's time."""
    stands_still = draft.facts.status is RunStatus.STOPPED
    for number, state in list(draft.open_nodes()):
        if state.wake_at is None or state.wake_at > draft.now:
            continue
        match state.status:
            case NodeStatus.DUE if not calls_function(draft.spec(number)):
                draft.change_node(number, n_sent=state.n_sent + 1, wake_at=find_repeat_at(draft.now, state.n_sent + 1))
                (draft.cancels if is_canceling(draft) else draft.starts).append(number)
            case NodeStatus.DUE if is_canceling(draft):
                # No worker has taken it, and none will: the order that was sent is no longer valid.
                end_node(draft, number, NodeStatus.CANCELED)
            case NodeStatus.DUE:
                send_step(draft, number, n_sent=state.n_sent + 1)
            case NodeStatus.TAKEN:
                error = make_error("TimedOut", f"it took longer than {draft.spec(number).timeout_s} s")
                finish_attempt(draft, number, Outcome.FAILED, error=error, who=state.taken_by)
            case NodeStatus.RETRYING if not stands_still:
                make_due(draft, number)
            case NodeStatus.WAITING if state.wait is not None:
                _wake_waiting(draft, number, state, state.wait, stands_still=stands_still)
            case _:
                pass


def _wake_waiting(draft: RunDraft, number: int, state: NodeState, wait: Wait, *, stands_still: bool) -> None:
    if has_child(state):
        _wake_child(draft, number, state)
    elif calls_function(draft.spec(number)) and state.n_polls:
        if not stands_still:
            _look_again(draft, number, state)
    elif has_expired(wait, draft.now):
        expire_wait(draft, number)
    else:
        draft.seeks.append(number)
        draft.change_node(number, wake_at=wait.deadline)


def _wake_child(draft: RunDraft, number: int, state: NodeState) -> None:
    """Check on a child, because a crash may have lost the report of its end. If the child's time is over, fail the
    attempt.
    """
    if state.deadline is not None and state.deadline <= draft.now and not is_canceling(draft):
        error = make_error("TimedOut", f"it took longer than {draft.spec(number).timeout_s} s")
        finish_attempt(draft, number, Outcome.FAILED, error=error)
        draft.cancels.append(number)
        return
    n_sent = state.n_sent + 1
    draft.change_node(number, n_sent=n_sent, wake_at=_find_look_at(draft, n_sent, state.deadline))
    (draft.cancels if is_canceling(draft) else draft.looks).append(number)


def _find_look_at(draft: RunDraft, n_looks: int, deadline: datetime | None) -> datetime:
    look_at = find_repeat_at(draft.now, n_looks)
    return look_at if deadline is None or deadline <= draft.now else min(look_at, deadline)


def _look_again(draft: RunDraft, number: int, state: NodeState) -> None:
    if state.deadline is not None and state.deadline <= draft.now:
        error = make_error("TimedOut", f"it took longer than {draft.spec(number).timeout_s} s")
        finish_attempt(draft, number, Outcome.FAILED, error=error)
    else:
        send_step(draft, number, n_sent=1)
