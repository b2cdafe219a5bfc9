"""A step worker carries orders out, each attempt once, and tells WMS how they ended before it acknowledges."""

import asyncio
import os
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from ewms.steps.definitions import add_definition, keep_definitions
from ewms.worker.offers import Offer, load_offers
from ewms.worker.order_book import OrderBook, OrderVerdict
from ewms.worker.orders import OrderIntake, WmsVoice
from schemas.engine.runs import Outcome
from schemas.engine.subscriptions import ProductDocument
from schemas.errors import Unavailable
from schemas.events import ControlEvent, NodeEnded, NodeReturned, NodeRun, Payload, build_event
from schemas.ids import DefinitionHash, EventId, NodeKey, RunId, RunUuid
from schemas.questions.bases import Answer, Question
from schemas.questions.subscriptions import ProductsAnswer, ProductsQuery
from schemas.wire import event_from_bytes, event_to_bytes
from tests.unit.ewms.worker import notes

NOW = datetime(2026, 1, 1, tzinfo=UTC)
RUN = RunUuid("3f6b2c1a-5b0e-4b5e-8c2e-0a1b2c3d4e5f")


class Heard:
    """A broker that keeps what is published, and may be away for a while."""

    def __init__(self, n_refusals: int = 0) -> None:
        self.events: list[ControlEvent] = []
        self.log: list[str] = []
        self._n_refusals = n_refusals

    async def publish(self, exchange: str, routing_key: str, body: bytes, *, user_id: str, **_: Any) -> None:
        event = event_from_bytes(body)
        if self._n_refusals and isinstance(event.data, NodeEnded):
            self._n_refusals -= 1
            raise Unavailable("the broker is away")
        assert (exchange, routing_key, user_id) == ("ewms.control", f"wms.{event.data.TYPE}", "steps.default")
        self.events.append(event)
        self.log.append(event.data.TYPE)

    def payloads(self, kind: type[Payload]) -> list[Any]:
        return [event.data for event in self.events if isinstance(event.data, kind)]


class Loan:
    """One order on loan."""

    def __init__(
        self, body: bytes, log: list[str], *, is_redelivered: bool = False, is_still_lent: bool = True
    ) -> None:
        self.body = body
        self.is_redelivered = is_redelivered
        self._is_still_lent = is_still_lent
        self._log = log

    async def is_still_lent(self) -> bool:
        return self._is_still_lent

    async def ack(self) -> bool:
        self._log.append("ack")
        return True

    async def release(self) -> bool:
        self._log.append("release")
        return True


def order_for(offers: dict[DefinitionHash, Offer], node: str, attempt: int = 1, **fields: Any) -> NodeRun:
    [digest] = offers
    return NodeRun.model_validate(
        {
            "run": 7,
            "node": node,
            "attempt": attempt,
            "pool": "default",
            "run_uuid": RUN,
            "definition": "keep_notes",
            "definition_hash": digest,
            "function": "f",
            "name": "n",
            "state": {"n": 1, "found": 2},
            "idempotency_key": f"{RUN}/{node}",
            **fields,
        }
    )


def body_of(order: Payload) -> bytes:
    return event_to_bytes(build_event(order, event_id=EventId("e"), source="ewms/wms", time=NOW))


async def carry_out(offers: dict[DefinitionHash, Offer], *orders: NodeRun, heard: Heard | None = None) -> Heard:
    heard = heard or Heard()
    intake = OrderIntake(offers, WmsVoice(heard, pool="default", worker="w1"), worker="w1", n_slots=2)
    for order in orders:
        intake.take_delivery(Loan(body_of(order), heard.log))
    await intake.drain()
    return heard


async def test_the_end_is_told_before_the_order_is_acknowledged(offers: dict[DefinitionHash, Offer]) -> None:
    heard = await carry_out(offers, order_for(offers, "1"))

    assert heard.log.index("node.ended") < heard.log.index("ack")
    assert "node.taken" not in heard.log
    [ended] = heard.payloads(NodeEnded)
    assert (ended.run, ended.node, ended.attempt, ended.outcome) == (7, "1", 1, Outcome.SUCCESSFUL)
    assert ended.delta == {"found": 2}
    assert notes.SEEN["thread"].startswith("step")


async def test_an_order_that_may_have_ended_a_worker_goes_back_to_wms_which_counts_and_sends_it_anew(
    offers: dict[DefinitionHash, Offer],
) -> None:
    heard = Heard()
    intake = OrderIntake(offers, WmsVoice(heard, pool="default", worker="w1"), worker="w1", n_slots=1)
    order = order_for(offers, "1", n_lost=1)
    intake.take_delivery(Loan(body_of(order), heard.log, is_redelivered=True))
    async with asyncio.timeout(5):
        while len(heard.log) < 2:
            await asyncio.sleep(0.01)
    assert heard.log == ["node.returned", "ack"]
    [returned] = heard.payloads(NodeReturned)
    assert (returned.n_lost, returned.reason) == (1, "lost")
    intake.take_delivery(Loan(body_of(order.model_copy(update={"n_lost": 2})), heard.log))
    await intake.drain()
    assert heard.log[2:] == ["node.ended", "ack"]


async def test_an_interrupt_that_a_step_raises_fails_it(offers: dict[DefinitionHash, Offer]) -> None:
    heard = await carry_out(offers, order_for(offers, "8"))
    assert heard.payloads(NodeEnded)[0].error.error_class == "KeyboardInterrupt"


async def test_a_broker_that_is_away_is_told_later(offers: dict[DefinitionHash, Offer]) -> None:
    heard = await carry_out(offers, order_for(offers, "1"), heard=Heard(n_refusals=2))
    assert len(heard.payloads(NodeEnded)) == 1
    assert heard.log[-1] == "ack"


async def test_a_coroutine_function_runs_on_a_loop_of_its_own_within_its_scope(
    offers: dict[DefinitionHash, Offer],
) -> None:
    heard = await carry_out(offers, order_for(offers, "2"))

    [ended] = heard.payloads(NodeEnded)
    assert notes.SEEN["coroutine_thread"] == "coroutines"
    assert ended.children[0].uuid == ended.delta["child"]
    assert UUID(ended.delta["child"])


async def test_o31_a_failed_check_says_for_whom_it_is(offers: dict[DefinitionHash, Offer]) -> None:
    heard = await carry_out(offers, order_for(offers, "3"))

    [ended] = heard.payloads(NodeEnded)
    assert (ended.outcome, ended.error.error_class) == (Outcome.FAILED, "AssertionError")
    assert ended.error.details == {"status": "inconsistent_data", "assignee": "NOC"}
    assert "notes.py" in ended.error.traceback


async def test_the_step_that_asks_gets_the_route_of_its_callback(offers: dict[DefinitionHash, Offer]) -> None:
    heard = await carry_out(offers, order_for(offers, "4", callback_key="secret"))
    assert heard.payloads(NodeEnded)[0].delta == {"asked": f"/api/processes/{RUN}/callback/secret"}


async def test_a_question_without_a_connection_fails_by_name(offers: dict[DefinitionHash, Offer]) -> None:
    heard = await carry_out(offers, order_for(offers, "7", state={"subscription_id": RUN}))
    error = heard.payloads(NodeEnded)[0].error
    assert (error.error_class, error.message) == (
        "Unavailable",
        "'subscription' cannot be asked here: there is no connection to WMS",
    )


@pytest.mark.parametrize("fields", [{"node": "99"}, {"node": "x"}])
async def test_what_the_worker_does_not_offer_is_an_error_by_name(
    offers: dict[DefinitionHash, Offer], fields: dict[str, Any]
) -> None:
    order = order_for(offers, "1").model_copy(update=fields)
    heard = await carry_out(offers, order)
    [ended] = heard.payloads(NodeEnded)
    assert (ended.outcome, ended.error.error_class) == (Outcome.ERROR, "DefinitionGone")


async def test_an_order_for_another_version_of_a_definition_is_left_to_a_worker_that_has_it(
    offers: dict[DefinitionHash, Offer],
) -> None:
    heard = await carry_out(offers, order_for(offers, "1", definition_hash="other"))
    assert heard.log == ["node.returned", "ack"]
    assert heard.payloads(NodeReturned)[0].reason == "not-offered"


async def test_a_repeated_order_is_carried_out_once(offers: dict[DefinitionHash, Offer]) -> None:
    order = order_for(offers, "1")
    heard = await carry_out(offers, order, order)
    assert len(heard.payloads(NodeEnded)) == 1
    assert heard.log.count("ack") == 2


async def test_an_order_that_comes_back_while_it_runs_is_kept_until_that_has_ended(
    offers: dict[DefinitionHash, Offer],
) -> None:
    heard = Heard(n_refusals=1)
    intake = OrderIntake(offers, WmsVoice(heard, pool="default", worker="w1"), worker="w1", n_slots=2)
    body = body_of(order_for(offers, "1"))
    intake.take_delivery(Loan(body, heard.log))
    intake.take_delivery(Loan(body, heard.log, is_redelivered=True))
    await intake.drain()
    assert len(heard.payloads(NodeEnded)) == 1
    assert heard.log[-3:] == ["node.ended", "ack", "ack"]


@pytest.mark.parametrize("is_there", [True, False])
async def test_an_isolated_step_asks_wms_through_the_worker(*, is_there: bool) -> None:
    with keep_definitions():
        add_definition(notes.run_alone)
        found = load_offers([notes.__name__], "default")
    alone = {key: offer for key, offer in found.items() if offer.sent.name == "run_alone"}
    asked: list[Question] = []

    def ask(question: Question) -> Answer:
        asked.append(question)
        if not is_there:
            raise Unavailable("WMS is away")
        return ProductsAnswer(products=(ProductDocument(product_id=UUID(int=1), name="Note", tag="Note"),))

    heard = Heard()
    voice = WmsVoice(heard, pool="default", worker="w1")
    intake = OrderIntake(alone, voice, worker="w1", n_slots=2, modules=[notes.__name__], ask=ask)
    intake.take_delivery(Loan(body_of(order_for(alone, "3")), heard.log))
    await intake.drain()

    [ended] = heard.payloads(NodeEnded)
    assert asked == [ProductsQuery()] * (2 if is_there else 1)
    if is_there:
        assert ended.delta == {"products": [str(UUID(int=1))] * 2}
    else:
        assert (ended.error.error_class, ended.error.message) == ("Unavailable", "WMS is away")


async def test_an_isolated_step_has_a_process_of_its_own_and_may_crash() -> None:
    with keep_definitions():
        add_definition(notes.run_alone)
        found = load_offers([notes.__name__], "default")
    alone = {key: offer for key, offer in found.items() if offer.sent.name == "run_alone"}
    heard = Heard()
    voice = WmsVoice(heard, pool="default", worker="w1")
    intake = OrderIntake(alone, voice, worker="w1", n_slots=2, modules=[notes.__name__])
    for node in "12":
        intake.take_delivery(Loan(body_of(order_for(alone, node)), heard.log))
    await intake.drain()

    good, bad = sorted(heard.payloads(NodeEnded), key=lambda ended: str(ended.node))
    assert good.delta["n"] == 1
    assert good.delta["pid"] != os.getpid()
    assert (bad.outcome, bad.error.error_class) == (Outcome.FAILED, "ProcessLost")


async def test_what_is_no_order_is_put_away(offers: dict[DefinitionHash, Offer]) -> None:
    heard = Heard()
    intake = OrderIntake(offers, WmsVoice(heard, pool="default", worker="w1"), worker="w1", n_slots=1)
    ended = NodeEnded(
        run=RunId(1), node=NodeKey("0"), attempt=1, outcome=Outcome.FAILED, worker="w", started_at=NOW, ended_at=NOW
    )
    for body in (b"nonsense", body_of(ended)):
        intake.take_delivery(Loan(body, heard.log))
    await intake.drain()
    assert heard.log == ["ack", "ack"]


def test_an_order_that_was_sent_anew_since_is_left_alone_and_one_whose_worker_is_gone_is_lost(
    offers: dict[DefinitionHash, Offer],
) -> None:
    book = OrderBook()
    late = order_for(offers, "1", valid_until=NOW)
    after = NOW + timedelta(seconds=1)

    assert book.begin_order(late, after, is_redelivered=False) is OrderVerdict.EXPIRED
    assert book.begin_order(late, after, is_redelivered=True) is OrderVerdict.LOST
    assert book.begin_order(late, NOW, is_redelivered=False) is OrderVerdict.CARRY_OUT
    assert book.begin_order(late, NOW, is_redelivered=True) is OrderVerdict.REPEATED
    book.end_order(late)
    assert (book.n_running, book.begin_order(late, NOW, is_redelivered=False)) == (0, OrderVerdict.REPEATED)
    assert book.begin_order(order_for(offers, "1", 2), NOW, is_redelivered=False) is OrderVerdict.CARRY_OUT
    assert book.begin_order(order_for(offers, "1", n_polls=1), NOW, is_redelivered=False) is OrderVerdict.CARRY_OUT


@pytest.mark.parametrize("is_still_lent", [True, False])
async def test_after_a_standstill_a_worker_calls_a_step_only_if_its_lease_holds(
    is_still_lent: bool, offers: dict[DefinitionHash, Offer]
) -> None:
    heard = Heard()
    voice = WmsVoice(heard, pool="default", worker="w1")
    intake = OrderIntake(offers, voice, worker="w1", n_slots=2, has_stood_still=lambda: True)
    order = order_for(offers, "1")
    intake.take_delivery(Loan(body_of(order), heard.log, is_still_lent=is_still_lent))
    await intake.drain()
    assert [ended.node for ended in heard.payloads(NodeEnded)] == ["1"] * is_still_lent
    assert intake.book.n_running == 0
    assert intake.book.knows_order(order) is is_still_lent
    # Perhaps the broker was only slow. So the worker does not acknowledge what it has not called.
    assert heard.log[-1] == ("ack" if is_still_lent else "release")
    assert heard.log.count("ack") == is_still_lent


async def test_an_order_that_comes_back_after_a_standstill_is_told_as_lost(
    offers: dict[DefinitionHash, Offer],
) -> None:
    heard = Heard()
    voice = WmsVoice(heard, pool="default", worker="w1")
    intake = OrderIntake(offers, voice, worker="w1", n_slots=2, has_stood_still=lambda: True)
    body = body_of(order_for(offers, "1"))
    intake.take_delivery(Loan(body, heard.log, is_still_lent=False))
    intake.take_delivery(Loan(body, heard.log, is_redelivered=True))
    await intake.drain()
    assert heard.payloads(NodeEnded) == []
    assert [returned.reason for returned in heard.payloads(NodeReturned)] == ["lost"]
