"""The one decision about a run: `advance(run, stimulus, now) -> decision`. (core)

What names an attempt that is no longer the current one changes nothing: that is a `Conflict`. So a step worker that
was believed dead, a child that ends twice, and an event that is delivered again do no harm.
"""

from datetime import datetime, timedelta

from schemas.errors import Conflict
from schemas.events import NodeEnded, NodeTaken
from schemas.ids import NodeKey
from schemas.runs import RUN_OVER, NodeState, NodeStatus, Outcome, RunStatus, Wait, WantKind
from wms.engine.life.attempts import (
    MAX_DELIVERIES,
    end_node,
    end_wait,
    expire_wait,
    find_repeat_at,
    finish_attempt,
    make_due,
)
from wms.engine.life.open_run import OpenRun, RunDecision, RunDraft, calls_function, has_child, make_error
from wms.engine.life.run_status import go_on
from wms.engine.life.stimuli import (
    Begin,
    ChildEnded,
    ChildStarted,
    PutState,
    Resume,
    RunStimulus,
    StepWorkerGone,
    TimePassed,
    Unserved,
    WaitAnswered,
    Wish,
)
from wms.engine.life.waiting import (
    AnswerVerdict,
    arm_child,
    has_expired,
    judge_answer,
    judge_token,
    keep_early,
    note_answer,
)
from wms.engine.life.wishes import begin_run, put_state, resume_run, take_wish

#: A node whose function nobody offers is looked at again after this time, or when somebody registers.
UNSERVED_PAUSE = timedelta(seconds=30)

#: What a step worker may say about a node in these statuses.
_AT_WORK = frozenset({NodeStatus.DUE, NodeStatus.TAKEN})


def advance(run: OpenRun, stimulus: RunStimulus, now: datetime) -> RunDecision:
    """Return what follows from `stimulus`. Nothing is changed by it; see `wms.engine.life.open_run.apply_decision`.

    Raises:
        Conflict: the run, or the node, has moved on; or the wish does not fit where the run stands.
    """
    draft = RunDraft(run, now)
    answer = None
    match stimulus:
        case Begin():
            begin_run(draft, stimulus)
        case PutState():
            put_state(draft, stimulus)
            return draft.settle()
        case Wish():
            take_wish(draft, stimulus)
        case Resume():
            resume_run(draft, stimulus)
        case NodeTaken():
            _note_taking(draft, stimulus)
        case NodeEnded():
            _take_end(draft, stimulus)
        case WaitAnswered():
            answer = _take_answer(draft, stimulus)
        case ChildStarted():
            _note_child(draft, stimulus)
        case ChildEnded():
            _end_child(draft, stimulus)
        case Unserved():
            _note_unserved(draft, stimulus)
        case StepWorkerGone():
            _send_again(draft, stimulus)
        case TimePassed():
            _wake_nodes(draft)
    has_begun = draft.facts.started_at is not None or draft.facts.want is not None
    if has_begun and draft.facts.status not in RUN_OVER:
        go_on(draft)
    return draft.settle(answer)


def _find_current(draft: RunDraft, key: NodeKey, attempt: int, *, of_step: bool = False) -> tuple[int, NodeState]:
    """Return the node `key`, whose current attempt is `attempt`.

    Raises:
        Conflict: there is no such attempt, or it is not the current one any more.
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


def _note_taking(draft: RunDraft, taken: NodeTaken) -> None:
    number, state = _find_current(draft, taken.node, taken.attempt, of_step=True)
    if state.status not in _AT_WORK:
        raise Conflict(f"the node {taken.node!r} is {state.status}: nobody needs to work on it")
    if state.n_taken >= MAX_DELIVERIES:
        error = make_error("WorkerLost", f"{state.n_taken} step workers took it, and none said how it ended")
        finish_attempt(draft, number, Outcome.ERROR, error=error, who=state.taken_by)
        return
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


def _take_end(draft: RunDraft, ended: NodeEnded) -> None:
    number, state = _find_current(draft, ended.node, ended.attempt, of_step=True)
    # A step that answered `pending` may have been called again by a hint whose repetition was answered first.
    polls = state.status is NodeStatus.WAITING and state.n_polls > 0
    if state.status not in _AT_WORK and not (polls and ended.outcome is not Outcome.PENDING):
        raise Conflict(f"the node {ended.node!r} is {state.status}: its attempt {ended.attempt} has ended before")
    takes_effect = finish_attempt(
        draft,
        number,
        ended.outcome,
        delta=ended.delta,
        removed=ended.removed,
        artifacts=ended.artifacts,
        error=ended.error,
        poll_after_s=ended.poll_after_s,
        name=ended.name,
        who=ended.worker,
        started_at=ended.started_at,
    )
    if takes_effect and (ended.models or ended.events or ended.children):
        draft.brought = ended


def _take_answer(draft: RunDraft, answered: WaitAnswered) -> AnswerVerdict:
    number = draft.run.find_node(answered.node)
    if number is None:
        return AnswerVerdict.UNKNOWN
    state = draft.node(number)
    if answered.token is not None:
        opener = draft.run.layout.opened_by.get(number, number)
        opening = draft.node(opener)
        refusal = judge_token(draft.facts.secret, opening.key, opening.attempt, answered.token)
        if refusal is not None:
            return refusal
    if state.wait is None or draft.spec(number).wait is None:
        return AnswerVerdict.UNKNOWN
    verdict = judge_answer(state.wait, answered.answer, draft.now)
    match verdict:
        case AnswerVerdict.ENDS:
            draft.change_node(number, wait=note_answer(state.wait, answered.answer))
            end_wait(draft, number, answered.answer)
        case AnswerVerdict.KEPT:
            draft.change_node(number, wait=keep_early(state.wait, answered.answer))
        case AnswerVerdict.EXPIRED if has_expired(state.wait, draft.now):
            expire_wait(draft, number)
        case _:
            pass
    return verdict


def _note_child(draft: RunDraft, started: ChildStarted) -> None:
    number, state = _find_current(draft, started.node, started.attempt)
    if state.status is not NodeStatus.DUE:
        raise Conflict(f"the node {started.node!r} is {state.status}: its child is known, or not wanted")
    draft.change_node(
        number,
        status=NodeStatus.WAITING,
        wait=arm_child(draft.now),
        child_run=started.run,
        workflow_id=started.workflow_id,
        started_at=draft.now,
        n_sent=1,
        wake_at=find_repeat_at(draft.now, 1),
    )
    if draft.facts.want is not None and draft.facts.want.kind is WantKind.CANCEL:
        draft.cancels.append(number)


def _end_child(draft: RunDraft, ended: ChildEnded) -> None:
    number, state = _find_current(draft, ended.node, ended.attempt)
    if not (has_child(state) or (state.status is NodeStatus.DUE and not calls_function(draft.spec(number)))):
        raise Conflict(f"the node {ended.node!r} is {state.status}: its child has ended before")
    bad = ended.outcome not in (Outcome.SUCCESSFUL, Outcome.SKIPPED)
    finish_attempt(
        draft,
        number,
        ended.outcome,
        artifacts=ended.artifacts,
        error=make_error("ChildEnded", ended.explanation or f"it ended as {ended.outcome}") if bad else None,
    )


def _note_unserved(draft: RunDraft, unserved: Unserved) -> None:
    number, state = _find_current(draft, unserved.node, unserved.attempt, of_step=True)
    if state.status is not NodeStatus.DUE or state.n_taken:
        raise Conflict(f"the node {unserved.node!r} is {state.status}: somebody works on it")
    if _is_canceling(draft):
        end_node(draft, number, NodeStatus.CANCELED)
    else:
        # It was not sent, so it may be canceled at once.
        draft.change_node(number, n_sent=0, explanation=unserved.why, wake_at=draft.now + UNSERVED_PAUSE)


def _send_again(draft: RunDraft, gone: StepWorkerGone) -> None:
    """Send once more what a lost step worker had taken. The attempt stays: nobody has ended it."""
    for number, state in list(draft.open_nodes()):
        if state.status is not NodeStatus.TAKEN or state.taken_by != gone.worker:
            continue
        if state.n_taken >= MAX_DELIVERIES:
            error = make_error("WorkerLost", f"{state.n_taken} step workers took it, and none said how it ended")
            finish_attempt(draft, number, Outcome.ERROR, error=error, who=gone.worker)
        else:
            _send_step(draft, number, n_sent=1)


def _send_step(draft: RunDraft, number: int, *, n_sent: int) -> None:
    draft.change_node(
        number, status=NodeStatus.DUE, taken_by="", n_sent=n_sent, wake_at=find_repeat_at(draft.now, n_sent)
    )
    draft.sends.append(number)


def _wake_nodes(draft: RunDraft) -> None:
    """Do what is due for each node by now."""
    stands_still = draft.facts.status is RunStatus.STOPPED
    for number, state in list(draft.open_nodes()):
        if state.wake_at is None or state.wake_at > draft.now:
            continue
        match state.status:
            case NodeStatus.DUE if not calls_function(draft.spec(number)):
                draft.change_node(number, n_sent=state.n_sent + 1, wake_at=find_repeat_at(draft.now, state.n_sent + 1))
                (draft.cancels if _is_canceling(draft) else draft.starts).append(number)
            case NodeStatus.DUE if _is_canceling(draft):
                # Nobody has taken it, and by now nobody will: what was sent is not valid any more.
                end_node(draft, number, NodeStatus.CANCELED)
            case NodeStatus.DUE:
                _send_step(draft, number, n_sent=state.n_sent + 1)
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
        # The child tells by itself how it ended. This is for what a crash may have swallowed.
        n_sent = state.n_sent + 1
        draft.change_node(number, n_sent=n_sent, wake_at=find_repeat_at(draft.now, n_sent))
        (draft.cancels if _is_canceling(draft) else draft.looks).append(number)
    elif calls_function(draft.spec(number)) and state.n_polls:
        if not stands_still:
            _look_again(draft, number, state)
    elif has_expired(wait, draft.now):
        expire_wait(draft, number)
    else:
        draft.seeks.append(number)
        draft.change_node(number, wake_at=wait.deadline)


def _look_again(draft: RunDraft, number: int, state: NodeState) -> None:
    if state.deadline is not None and state.deadline <= draft.now:
        error = make_error("TimedOut", f"it took longer than {draft.spec(number).timeout_s} s")
        finish_attempt(draft, number, Outcome.FAILED, error=error)
    else:
        _send_step(draft, number, n_sent=1)


def _is_canceling(draft: RunDraft) -> bool:
    return draft.facts.want is not None and draft.facts.want.kind is WantKind.CANCEL
