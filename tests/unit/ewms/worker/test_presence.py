"""A step worker registers what it offers, and tells WMS that it is alive."""

import asyncio
from uuid import UUID

import pytest

from ewms.worker.offers import Offer
from ewms.worker.order_book import OrderBook
from ewms.worker.orders import WmsVoice
from ewms.worker.presence import Presence
from schemas.engine.subscriptions import ProductDocument
from schemas.errors import Unavailable
from schemas.ids import DefinitionHash
from schemas.questions.bases import Answer, Question
from schemas.questions.registrations import RegistrationAnswer, RegistrationQuery
from tests.unit.ewms.worker.test_orders import Heard


async def test_a_worker_registers_once_and_is_ready_when_wms_has_everything(
    offers: dict[DefinitionHash, Offer],
) -> None:
    [digest] = offers
    product = ProductDocument(product_id=UUID(int=1), name="Note", tag="Note")
    asked: list[Question] = []
    answers = [
        RegistrationAnswer(missing_hashes=(digest,), missing_products=("Note",)),
        RegistrationAnswer(missing_products=("Note",)),
        RegistrationAnswer(),
    ]
    lacks: list[str] = []

    async def ask(question: Question) -> Answer:
        with pytest.raises(Unavailable) as lacking:
            await presence.check_registered()
        lacks.append(lacking.value.reason)
        asked.append(question)
        return answers[len(asked) - 1]

    heard = Heard()
    voice = WmsVoice(heard, pool="default", worker="w1")
    presence = Presence(
        offers, voice, ask, OrderBook(), worker="w1", pool="default", every_s=0.01, products=[product, product]
    )
    presence.start()
    async with asyncio.timeout(5):
        while heard.log.count("worker.alive") < 5:
            await asyncio.sleep(0.01)
    await presence.check_registered()
    await presence.leave()

    assert asked == [RegistrationQuery(hashes=(digest,), products=("Note", "Note"))] * 3
    assert lacks[0].startswith("WMS has not said yet")
    assert lacks[1:] == ["WMS has not registered yet: Note, keep_notes", "WMS has not registered yet: Note"]
    assert heard.log[:3] == ["product.registered", "product.registered", "definition.registered"]
    assert (heard.log.count("product.registered"), heard.log.count("definition.registered")) == (2, 1)
    registered, alive = heard.events[2].data, heard.events[-1].data
    assert registered.hash == registered.definition.hash  # type: ignore[attr-defined]  # a DefinitionRegistered
    assert alive.is_leaving  # type: ignore[attr-defined]  # a StepWorkerAlive
    assert alive.hashes == (registered.hash,)  # type: ignore[attr-defined]  # as above
