"""Say what this worker offers, and again and again that it is there."""

from collections.abc import Mapping

from ewms.worker.offers import Offer
from ewms.worker.order_book import OrderBook
from ewms.worker.orders import WmsVoice
from runtime.clock import utc_now
from runtime.loops import BackgroundLoop, jittered_up_to
from schemas.events import DefinitionRegistered, StepWorkerAlive
from schemas.ids import DefinitionHash


class Presence:
    """One worker, as WMS knows it."""

    def __init__(
        self,
        offers: Mapping[DefinitionHash, Offer],
        voice: WmsVoice,
        book: OrderBook,
        *,
        worker: str,
        pool: str,
        every_s: float,
    ) -> None:
        self._offers = offers
        self._voice = voice
        self._book = book
        self._worker = worker
        self._pool = pool
        self._started_at = utc_now()
        self._unregistered = dict(offers)
        self._loop = BackgroundLoop(
            self._show_up,
            name="presence",
            failed="WMS has not heard of this worker",
            every_s=every_s,
            back_off=jittered_up_to(5.0),
        )

    def start(self) -> None:
        """Begin to register and to show up."""
        self._loop.start()

    async def leave(self) -> None:
        """Say that the worker ends; steps that it has taken end first."""
        await self._loop.stop()
        await self._voice.say(self._describe_worker(is_leaving=True))

    async def _show_up(self) -> None:
        for digest, offer in list(self._unregistered.items()):
            await self._voice.say(DefinitionRegistered(worker=self._worker, hash=digest, definition=offer.sent))
            del self._unregistered[digest]
        await self._voice.say(self._describe_worker())

    def _describe_worker(self, *, is_leaving: bool = False) -> StepWorkerAlive:
        return StepWorkerAlive(
            worker=self._worker,
            pool=self._pool,
            hashes=tuple(self._offers),
            n_running=self._book.n_running,
            started_at=self._started_at,
            is_leaving=is_leaving,
        )
