"""Answer WMS's questions about user code: evaluate forms, predicates and callbacks in the calling thread."""

from collections.abc import Mapping
from types import TracebackType
from typing import Any
from uuid import UUID

from ewms.steps.form_answers import FormAnswer, FormComplete, FormIncomplete, FormInvalid
from ewms.steps.forms import fill_form, fill_input
from ewms.steps.gates import read_gate_settings
from ewms.steps.start_checks import find_predicate_refusal, may_resume, may_start
from ewms.steps.step_scope import StepScope, enter_step
from ewms.worker.offers import AnyOffer, Offer
from ewms.worker.subscription_source import AskWms, WmsSubscriptions, refuse_questions
from runtime.clock import utc_now
from schemas.errors import EWMSError, Rejected
from schemas.ids import DefinitionHash
from schemas.questions.bases import Answer, Question
from schemas.questions.step_code import (
    EvaluateResume,
    EvaluateStart,
    FormEvaluated,
    FormVerdict,
    GateRulesRead,
    ReadGateRules,
    StepsQuestion,
)

#: Packages whose frames say nothing about where user code failed.
_OURS = ("ewms.", "pydantic", "runtime.")


def answer_question(
    question: Question, offers: Mapping[DefinitionHash, AnyOffer], ask: AskWms = refuse_questions
) -> Answer:
    """Answer `question`. An exception of user code is an answer, too. `ask` asks WMS on behalf of the user code.

    Raises:
        Unavailable: WMS does not answer a question of the user code.
        Rejected: a step worker does not answer such a question.
    """
    if not isinstance(question, StepsQuestion):
        raise Rejected(f"a step worker answers no question of the kind {question.kind!r}")
    offer = offers.get(question.definition_hash)
    if not isinstance(offer, Offer):
        reason = f"this worker does not offer {question.definition!r} in this version"
        return FormEvaluated(verdict=FormVerdict.NOT_OFFERED, reason=reason)
    try:
        match question:
            case EvaluateStart():
                return _evaluate_start(question, offer, ask)
            case EvaluateResume():
                return _evaluate_resume(question, offer, ask)
            case ReadGateRules():
                return _read_gate_rules()
            case _:
                raise Rejected(f"this step worker does not know the question {question.kind!r}")
    except EWMSError:
        raise
    except BaseException as error:  # noqa: BLE001 - in this thread only user code can raise an interrupt
        return FormEvaluated(verdict=FormVerdict.FAILED, reason=describe_exception(error, offer.code.origin))


def _evaluate_start(question: EvaluateStart, offer: Offer, ask: AskWms) -> FormEvaluated:
    definition = offer.code
    scope = _make_scope(question, offer, "form", ask)
    with enter_step(scope):
        if question.checks_user and not may_start(definition, question.user):
            return _refuse_form(FormVerdict.FORBIDDEN, f"{question.user.name} may not start {definition.name}")
        if question.checks_predicate and (refusal := find_predicate_refusal(definition)) is not None:
            return _refuse_form(FormVerdict.REFUSED, refusal)
    return describe_form_answer(fill_form(definition.form, question.state, question.pages, scope))


def _evaluate_resume(question: EvaluateResume, offer: Offer, ask: AskWms) -> FormEvaluated:
    step = offer.find_step(question.node)
    if step is None:
        return _refuse_form(FormVerdict.NOT_OFFERED, f"{question.definition!r} has no step {question.node!r}")
    scope = _make_scope(question, offer, question.node, ask)
    if question.checks_user:
        with enter_step(scope):
            if not may_resume(offer.code, step, question.user, is_retry=not question.has_form):
                return _refuse_form(FormVerdict.FORBIDDEN, f"{question.user.name} may not resume {step.name!r}")
    if not question.has_form:
        return FormEvaluated(verdict=FormVerdict.COMPLETE)
    return describe_form_answer(fill_input(step, question.state, question.pages, scope))


def _read_gate_rules() -> GateRulesRead:
    found = read_gate_settings()
    return GateRulesRead(
        usable_map={name: tuple(usable) for name, usable in found.usable_map.items()},
        blocked_by_users=dict(found.blocked_by_users),
        usable_out_of_sync=tuple(found.usable_out_of_sync),
    )


def _make_scope(question: EvaluateStart | EvaluateResume, offer: Offer, key: str, ask: AskWms) -> StepScope:
    return StepScope(
        source=WmsSubscriptions(ask),
        idempotency_key=f"{question.run_uuid}/{key}",
        now=utc_now(),
        process_id=UUID(question.run_uuid),
        workflow=question.definition,
        target=offer.target,
        reporter=question.user.name,
    )


def _refuse_form(verdict: FormVerdict, reason: str) -> FormEvaluated:
    return FormEvaluated(verdict=verdict, reason=reason)


def describe_form_answer(answer: FormAnswer) -> FormEvaluated:
    """Return a form's answer as the event that WMS gets: its verdict with the values, the next page or the errors."""
    match answer:
        case FormComplete(values=values):
            return FormEvaluated(verdict=FormVerdict.COMPLETE, values=dict(values))
        case FormIncomplete(schema=schema, meta=meta):
            return FormEvaluated(verdict=FormVerdict.INCOMPLETE, form=dict(schema), meta=meta)
        case FormInvalid(errors=errors):
            verdict = FormVerdict.TOO_MANY_PAGES if answer.has_too_many_pages else FormVerdict.INVALID
            return FormEvaluated(verdict=verdict, errors=tuple(dict(one) for one in errors), reason=str(answer))


def describe_exception(error: BaseException, origin: str) -> str:
    """Return the class and the text of `error`, and the module and function of the user code that raised it.

    If no user code is in the traceback, `origin` is named.
    """
    where = origin
    trace: TracebackType | None = error.__traceback__
    while trace is not None:
        module: Any = trace.tb_frame.f_globals.get("__name__", "")
        if not f"{module}.".startswith(_OURS):
            where = f"{module}.{trace.tb_frame.f_code.co_qualname}"
        trace = trace.tb_next
    text = str(error)
    return f"{where} raised {type(error).__name__}{f': {text}' if text else ''}"
