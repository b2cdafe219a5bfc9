"""Answer WMS's questions, each in a thread, and give up on user code that takes too long."""

from collections.abc import Mapping
from functools import partial

from ewms.worker.offers import AnyOffer, Offer
from ewms.worker.question_answers import answer_question
from ewms.worker.question_threads import HangsAgain, QuestionThreads, TookTooLong
from ewms.worker.subscription_source import AskWms, refuse_questions
from runtime.bus.questions import Caller
from schemas.broker.services import Service
from schemas.errors import Forbidden
from schemas.ids import DefinitionHash
from schemas.questions.bases import Answer, Question
from schemas.questions.step_code import EvaluateResume, EvaluateStart, FormEvaluated, FormVerdict, StepsQuestion


class QuestionDesk:
    """Answers WMS's questions in threads. Steps run in other threads."""

    def __init__(
        self,
        offers: Mapping[DefinitionHash, AnyOffer],
        *,
        n_threads: int,
        limit_s: float,
        ask: AskWms = refuse_questions,
    ) -> None:
        """`ask` asks WMS on behalf of the user code."""
        self._ask = ask
        self._offers = offers
        self._threads = QuestionThreads(n_threads=n_threads, limit_s=limit_s)

    async def answer(self, question: Question, caller: Caller) -> Answer:
        """Return the answer to `question`. If the user code takes too long, the answer says so.

        Raises:
            Forbidden: the caller is not WMS.
            Unavailable: all threads are busy, or WMS does not answer a question of the user code.
            Rejected: a step worker does not answer such a question.
        """
        if caller != Service.WMS.value:
            raise Forbidden(f"{caller} may not ask step workers")
        try:
            return await self._threads.call(
                partial(answer_question, question, self._offers, self._ask), self._name_code(question)
            )
        except (TookTooLong, HangsAgain) as error:
            return FormEvaluated(verdict=FormVerdict.FAILED, reason=str(error))

    def _name_code(self, question: Question) -> str:
        offer = self._offers.get(question.definition_hash) if isinstance(question, StepsQuestion) else None
        # The rules of a workflow's start stay readable while its forms hang.
        has_form = isinstance(question, EvaluateStart | EvaluateResume)
        return offer.code.origin if isinstance(offer, Offer) and has_form else question.kind
