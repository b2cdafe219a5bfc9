"""Handle what comes from outside for a node that waits: an answer, or a report of progress. (core)"""

from schemas.engine.graph import WaitKind
from schemas.engine.runs import WaitState
from wms.engine.life.attempts import end_wait, expire_wait
from wms.engine.life.open_run import RunDraft
from wms.engine.life.stimuli import CallbackProgress, WaitAnswered
from wms.engine.life.waiting import AnswerVerdict, has_expired, judge_answer, judge_token, keep_early, note_answer


def take_answer(draft: RunDraft, answered: WaitAnswered) -> AnswerVerdict:
    """End the wait of a node by an answer from outside, or keep an early answer. Return the verdict about the answer.

    Return `UNKNOWN` if there is no such node, or if it does not wait. Other verdicts also say why an answer has no
    effect.
    """
    number = draft.run.find_node(answered.node)
    if number is None:
        return AnswerVerdict.UNKNOWN
    state = draft.node(number)
    if answered.token is not None and (refusal := _judge_token(draft, number, answered.token)) is not None:
        return refusal
    if state.wait is None or draft.spec(number).wait is None:
        return AnswerVerdict.UNKNOWN
    if state.wait.kind is WaitKind.EVENT and _has_ended_another(draft, number, answered.answer.id):
        return AnswerVerdict.LATE
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


def _has_ended_another(draft: RunDraft, number: int, answer_id: str) -> bool:
    """Return whether this answer has ended the wait of another node. An event that does so may arm the next wait."""
    return any(
        state.wait is not None and state.wait.answered_by == answer_id
        for other, state in enumerate(draft.run.nodes)
        if other != number
    )


def _judge_token(draft: RunDraft, number: int, token: str) -> AnswerVerdict | None:
    opening = draft.node(draft.run.layout.opened_by.get(number, number))
    return judge_token(draft.facts.secret, opening.key, opening.attempt, token)


def note_progress(draft: RunDraft, noted: CallbackProgress) -> AnswerVerdict | None:
    """Store the progress that another system reports. Return None if the report counts, else the verdict that says why
    not.
    """
    number = draft.run.find_node(noted.node)
    if number is None:
        return AnswerVerdict.UNKNOWN
    if (refusal := _judge_token(draft, number, noted.token)) is not None:
        return refusal
    wait = draft.node(number).wait
    if wait is None or wait.state not in (WaitState.OPENED, WaitState.ARMED):
        return AnswerVerdict.LATE
    draft.change_node(number, wait=wait.model_copy(update={"progress": noted.progress}))
    return None
