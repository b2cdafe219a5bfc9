"""Questions over the bus on a real broker: who gets an answer, and which."""

import asyncio
from importlib.metadata import version
from typing import Any

import pytest
from aiormq.channel import Channel

from deploy.local.servers.rabbitmq import RabbitMQ
from runtime.amqp.link import Link
from runtime.bus.question_queues import declare_requests
from runtime.bus.service_bus import Bus, Caller
from schemas.errors import Broken, Conflict, EWMSError, NotFound, Unavailable
from schemas.questions.bases import Answer, Question, VersionAnswer, VersionQuery
from tests.integration.runtime.conftest import TMS, BusOf
from tests.integration.runtime.test_bus import ANSWER, QUESTION


async def test_a_question_is_answered_and_the_answering_side_knows_who_asks(bus_of: BusOf) -> None:
    mqs, wms, tms = await bus_of("mqs"), await bus_of("wms"), await bus_of(TMS)
    callers: list[str] = []

    async def noting(request: Question, caller: Caller) -> Answer:
        assert request == QUESTION
        callers.append(caller)
        return ANSWER

    await mqs.answer(noting)
    assert await wms.ask(QUESTION) == ANSWER
    assert await tms.ask(QUESTION) == ANSWER
    # The bus answers by itself which version its service runs.
    assert await wms.ask(VersionQuery(), to="mqs") == VersionAnswer(version=version("ewms"))
    assert callers == ["wms", TMS]
    answers = await asyncio.gather(*(wms.ask(QUESTION) for _ in range(100)))
    assert answers == [ANSWER] * 100


async def test_a_queue_of_questions_that_the_broker_deletes_just_after_its_declaration_is_declared_again(
    bus_of: BusOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    wms, tms = await bus_of("wms"), await bus_of(TMS)
    n_deleted = 0

    async def declare_and_lose(link: Link, channel: Channel, service: str) -> str:
        nonlocal n_deleted
        queue = await declare_requests(link, channel, service)
        if not n_deleted:
            n_deleted += 1
            # What the broker does with a shared queue from which nobody took for a minute.
            await channel.queue_delete(queue)
        return queue

    async def answering(_: Question, __: Caller) -> Answer:
        return ANSWER

    monkeypatch.setattr("runtime.bus.questions.declare_requests", declare_and_lose)
    await wms.answer(answering)
    assert n_deleted == 1
    assert await tms.ask(QUESTION, to="wms") == ANSWER


@pytest.mark.parametrize(
    ("error", "seen"),
    [(NotFound("no such workflow", hint="h"), NotFound), (Conflict("c"), Conflict), (KeyError("secret"), Broken)],
)
async def test_a_refusal_is_raised_as_its_family(bus_of: BusOf, error: Exception, seen: type[EWMSError]) -> None:
    mqs, wms = await bus_of("mqs"), await bus_of("wms")

    async def refusing(_: Any, __: Caller) -> Answer:
        raise error

    await mqs.answer(refusing)
    with pytest.raises(seen) as raised:
        await wms.ask(QUESTION)
    assert "secret" not in raised.value.reason
    if isinstance(error, EWMSError):
        assert (raised.value.reason, raised.value.hint) == (error.reason, error.hint)


async def test_a_question_that_nobody_takes_fails_at_once_and_one_without_an_answer_in_time(bus_of: BusOf) -> None:
    mqs, wms = await bus_of("mqs"), await bus_of("wms")
    loop = asyncio.get_running_loop()
    began = loop.time()
    with pytest.raises(Unavailable):
        await wms.ask(QUESTION, timeout_s=60)
    # At once is a part of a second, and seconds on a busy machine.
    assert loop.time() - began < 20

    async def silent(_: Any, __: Caller) -> Answer:
        await asyncio.sleep(1)
        return ANSWER

    await mqs.answer(silent)
    began = loop.time()
    with pytest.raises(Unavailable):
        await wms.ask(QUESTION, timeout_s=0.3)
    assert loop.time() - began > 0.2


async def test_nobody_can_ask_in_anothers_name(bus_of: BusOf, rabbitmq: RabbitMQ, control_vhost: str) -> None:
    mqs = await bus_of("mqs")
    asked: list[Caller] = []

    async def noting(_: Any, caller: Caller) -> Answer:
        asked.append(caller)
        return ANSWER

    await mqs.answer(noting)
    impostor = await Bus.connect(rabbitmq.amqp_url(TMS, control_vhost), service=TMS, source="ewms/tms")
    impostor._asker._user = "wms"
    with pytest.raises(Unavailable):
        await impostor.ask(QUESTION, timeout_s=1)
    impostor._asker._user = ""
    with pytest.raises(EWMSError):
        await impostor.ask(QUESTION, timeout_s=1)
    await impostor.close()
    assert asked == []
