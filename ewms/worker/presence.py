"""Register this worker's definitions, and report at intervals that the worker runs.

products, then definitions ─► WMS; is everything registered? ─► WMS: yes ─► the worker is ready
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

from ewms.worker.offers import AnyOffer
from ewms.worker.order_book import OrderBook
from ewms.worker.orders import WmsVoice
from runtime.clock import utc_now
from runtime.concurrency.loops import BackgroundLoop, jittered_up_to
from runtime.telemetry import log
from schemas.engine.subscriptions import ProductDocument
from schemas.errors import Broken, Unavailable
from schemas.events import DefinitionRegistered, ProductRegistered, StepWorkerAlive
from schemas.ids import DefinitionHash
from schemas.questions.bases import Answer, Question
from schemas.questions.registrations import RegistrationAnswer, RegistrationQuery

#: The pauses between two questions whether everything is registered: short at first, for WMS takes some milliseconds.
_FIRST_PAUSE_S: Final = 0.05
_LAST_PAUSE_S: Final = 5.0


class Presence:
    """The registrations and reports that one worker sends to WMS."""

    def __init__(
        self,
        offers: Mapping[DefinitionHash, AnyOffer],
        voice: WmsVoice,
        ask: Callable[[Question], Awaitable[Answer]],
        book: OrderBook,
        *,
        worker: str,
        pool: str,
        every_s: float,
        products: Sequence[ProductDocument] = (),
    ) -> None:
        """`ask` sends a question to WMS and returns the answer."""
        self._offers = offers
        self._voice = voice
        self._ask = ask
        self._book = book
        self._worker = worker
        self._pool = pool
        self._started_at = utc_now()
        self._unregistered = dict(offers)
        self._products = products
        self._unregistered_products = list(products)
        #: The definitions and products that WMS does not have yet, by name; None: WMS has not answered.
        self._missing: list[str] | None = None
        self._is_registered = asyncio.Event()
        self._pause_s = _FIRST_PAUSE_S
        self._loop = BackgroundLoop(
            self._show_up,
            name="presence",
            failed="WMS has not heard of this worker",
            every_s=every_s,
            back_off=jittered_up_to(5.0),
        )

    def start(self) -> None:
        """Begin to register definitions and to report."""
        self._loop.start()

    async def leave(self) -> None:
        """Report that the worker ends. Call this after the steps that it has taken have ended.

        Raises:
            Unavailable: the broker does not answer, or WMS has no inbox.
        """
        await self._loop.stop()
        await self._voice.say(self._describe_worker(is_leaving=True))

    async def wait_until_registered(self) -> None:
        """Return when WMS has all definitions and products of this worker."""
        await self._is_registered.wait()

    async def check_registered(self) -> None:
        """Return if WMS has registered all definitions and products of this worker, so that users can start them.

        Raises:
            Unavailable: WMS lacks some, or has not answered yet.
        """
        if self._missing is None:
            raise Unavailable("WMS has not said yet whether it has this worker's definitions")
        if self._missing:
            raise Unavailable(f"WMS has not registered yet: {', '.join(self._missing)}")

    async def _show_up(self) -> float | None:
        # Products come first: who finds a workflow may look for the products to which it is attached.
        while self._unregistered_products:
            product = self._unregistered_products[0]
            await self._voice.say(ProductRegistered(worker=self._worker, pool=self._pool, product=product))
            del self._unregistered_products[0]
        for digest, offer in list(self._unregistered.items()):
            await self._voice.say(DefinitionRegistered(worker=self._worker, hash=digest, definition=offer.sent))
            del self._unregistered[digest]
        await self._voice.say(self._describe_worker())
        return None if self._is_registered.is_set() else await self._ask_what_is_missing()

    async def _ask_what_is_missing(self) -> float | None:
        """Ask WMS what it has not registered. Return the seconds until the next question; None if everything is
        registered.
        """
        names = tuple(product.name for product in self._products)
        answer = await self._ask(RegistrationQuery(hashes=tuple(self._offers), products=names))
        if not isinstance(answer, RegistrationAnswer):
            raise Broken(f"WMS answered a question about registrations with {answer.kind!r}")
        offered = [self._offers[digest].sent.name for digest in answer.missing_hashes]
        self._missing = sorted([*offered, *answer.missing_products])
        if not self._missing:
            workflows = sorted(offer.sent.name for offer in self._offers.values())
            self._is_registered.set()
            log.info("registered", worker=self._worker, pool=self._pool, workflows=workflows)
            return None
        if self._pause_s >= _LAST_PAUSE_S:
            log.warning("WMS has not registered everything", worker=self._worker, missing=self._missing)
        self._pause_s = min(2 * self._pause_s, _LAST_PAUSE_S)
        return self._pause_s

    def _describe_worker(self, *, is_leaving: bool = False) -> StepWorkerAlive:
        return StepWorkerAlive(
            worker=self._worker,
            pool=self._pool,
            hashes=tuple(self._offers),
            n_running=self._book.n_running,
            started_at=self._started_at,
            is_leaving=is_leaving,
        )
