"""Where steps, forms and conditions read subscriptions: an order brings some, and the worker asks WMS for others.

a step's thread ── question ──► the worker's loop ── over the bus ──► WMS
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar
from uuid import UUID

from runtime.bus.questions import Asker
from runtime.concurrency.retry import call_until_there
from schemas.broker.services import Service
from schemas.engine.subscriptions import ProductDocument, SubscriptionDocument, SubscriptionFilter
from schemas.errors import Broken, Unavailable
from schemas.questions.bases import Answer, Question
from schemas.questions.subscriptions import (
    ProductsAnswer,
    ProductsQuery,
    SubscriptionQuery,
    SubscriptionsAnswer,
    SubscriptionsQuery,
)

#: Asks WMS and waits for the answer, in a step's thread.
AskWms = Callable[[Question], Answer]

#: How long one try at a question may take, and how long all tries together. By then a WMS that restarts is back.
_TRY_S = 5.0
_PATIENCE_S = 30.0

Expected = TypeVar("Expected", bound=Answer)


class WmsQuestions:
    """Asks WMS on behalf of the threads of steps. The connection belongs to the worker's loop."""

    def __init__(self, asker: Asker, loop: asyncio.AbstractEventLoop, *, patience_s: float = _PATIENCE_S) -> None:
        self._asker = asker
        self._loop = loop
        self._patience_s = patience_s

    def __call__(self, question: Question) -> Answer:
        """Ask WMS, and return the answer. This blocks the calling thread.

        Raises:
            Unavailable: WMS did not answer in time.
            RuntimeError: a coroutine function calls this on the worker's loop, which would then wait for itself.
        """
        try:
            is_on_loop = asyncio.get_running_loop() is self._loop
        except RuntimeError:
            is_on_loop = False
        if is_on_loop:
            raise RuntimeError(
                "an async step cannot read other subscriptions while the loop waits for it: "
                "read them by `await asyncio.to_thread(...)`, or write the step as a plain function"
            )
        return asyncio.run_coroutine_threadsafe(self._ask_patiently(question), self._loop).result()

    async def _ask_patiently(self, question: Question) -> Answer:
        return await call_until_there(
            lambda: self._asker.ask(question, _TRY_S, to=Service.WMS),
            missing=Unavailable,
            waiting_for="WMS's answer",
            wait_s=self._patience_s,
        )


class WmsSubscriptions:
    """The subscriptions and products that WMS has stored."""

    def __init__(self, ask: AskWms, brought: Iterable[Mapping[str, Any]] = ()) -> None:
        """`brought` are the subscriptions that came with the order, as JSON. The worker does not ask WMS for these."""
        self._ask = ask
        found = map(SubscriptionDocument.model_validate, brought)
        self._brought = {one.subscription_id: one for one in found}

    def read_subscription(self, subscription_id: UUID) -> SubscriptionDocument | None:
        """Return the subscription as it was last stored. Return None if there is no such subscription.

        Raises:
            Unavailable: WMS did not answer in time.
        """
        if subscription_id in self._brought:
            return self._brought[subscription_id]
        answer = self._ask_for(SubscriptionsAnswer, SubscriptionQuery(subscription_id=subscription_id))
        return answer.subscriptions[0] if answer.subscriptions else None

    def find_subscriptions(self, wanted: SubscriptionFilter) -> Sequence[SubscriptionDocument]:
        """Return all stored subscriptions that match `wanted`, by id.

        Raises:
            Unavailable: WMS did not answer in time.
        """
        found: list[SubscriptionDocument] = []
        while True:
            after = found[-1].subscription_id if found else None
            answer = self._ask_for(SubscriptionsAnswer, SubscriptionsQuery(wanted=wanted, after=after))
            found += answer.subscriptions
            if not (answer.has_more and answer.subscriptions):
                return found

    def find_products(self, workflow: str = "") -> Sequence[ProductDocument]:
        """Return the products to which `workflow` is attached. If `workflow` is empty, return all products.

        Raises:
            Unavailable: WMS did not answer in time.
        """
        return self._ask_for(ProductsAnswer, ProductsQuery(workflow=workflow)).products

    def _ask_for(self, kind: type[Expected], question: Question) -> Expected:
        answer = self._ask(question)
        if not isinstance(answer, kind):
            raise Broken(f"WMS answered {question.kind!r} with {answer.kind!r}")
        return answer


def refuse_questions(question: Question) -> Answer:
    """Raise Unavailable for every question. This replaces WMS when there is no connection to the broker.

    Raises:
        Unavailable: always.
    """
    raise Unavailable(f"{question.kind!r} cannot be asked here: there is no connection to WMS")
