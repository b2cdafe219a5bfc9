"""Answer the questions of step workers about subscriptions, products and their registrations.

Only the broker users of pools may ask.
"""

from runtime.bus.questions import Caller
from runtime.kernel.store import Store
from schemas.broker.services import Service, is_of_service
from schemas.errors import Forbidden, Rejected
from schemas.questions.bases import Answer, Question
from schemas.questions.registrations import RegistrationAnswer, RegistrationQuery
from schemas.questions.subscriptions import (
    ProductsAnswer,
    ProductsQuery,
    SubscriptionQuery,
    SubscriptionsAnswer,
    SubscriptionsQuery,
)
from wms.engine import repository
from wms.processes.subscriptions.products import Products
from wms.processes.subscriptions.subscription_store import Subscriptions


class StepQuestions:
    """Answers the questions of step workers and their steps."""

    def __init__(self, store: Store, subscriptions: Subscriptions, products: Products) -> None:
        self._store = store
        self._subscriptions = subscriptions
        self._products = products

    async def answer_question(self, question: Question, caller: Caller) -> Answer:
        """Return the answer to a question of a step worker. The broker has checked that `caller` is the sender.

        Raises:
            Forbidden: the caller is no step worker.
            Rejected: WMS does not answer this question.
        """
        if not is_of_service(caller, Service.STEPS):
            raise Forbidden(f"{caller} is no step worker")
        match question:
            case SubscriptionQuery():
                found = await self._subscriptions.read_subscription(question.subscription_id)
                return SubscriptionsAnswer(subscriptions=() if found is None else (found,))
            case SubscriptionsQuery():
                page, has_more = await self._subscriptions.read_page(question.wanted, question.after)
                return SubscriptionsAnswer(subscriptions=tuple(page), has_more=has_more)
            case ProductsQuery():
                return ProductsAnswer(products=tuple(await self._products.list_products(question.workflow)))
            case RegistrationQuery():
                return await self._find_missing(question)
            case _:
                raise Rejected(f"WMS answers no questions of the kind {question.kind!r}")

    async def _find_missing(self, question: RegistrationQuery) -> RegistrationAnswer:
        products = {product.name for product in await self._products.list_products()} if question.products else set()
        return RegistrationAnswer(
            missing_hashes=await repository.find_missing_definitions(self._store, question.hashes),
            missing_products=tuple(name for name in question.products if name not in products),
        )
