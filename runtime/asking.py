"""Ask another service and get its answer, by the broker's direct reply-to. Nothing of it is kept anywhere.

The broker checks `user_id` against the connection's user, so the answering side knows who asks.
Source: RabbitMQ documentation, "Direct Reply-to" and "Validated User-ID".
"""

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from typing import NewType

import aio_pika
from pamqp.commands import Basic

from runtime.amqp import Connection, ConnectionLost, Consumer, Delivery, Publisher
from runtime.amqp.errors import LIBRARY_ERRORS, translated
from runtime.telemetry import log
from schemas.errors import Broken, EWMSError, Forbidden, Unavailable, family
from schemas.requests import Refusal
from schemas.topology import DIRECT_REPLY_TO, REQUESTS_EXCHANGE, REQUESTS_QUEUE, Service
from schemas.wire import (
    AnyAnswer,
    AnyRequest,
    answer_from_bytes,
    answer_to_bytes,
    request_from_bytes,
    request_to_bytes,
)

#: The broker's user who asks: `wms`, `mqs` or `tms.<encoded schedd>`.
Caller = NewType("Caller", str)

AnswerHandler = Callable[[AnyRequest, Caller], Awaitable[AnyAnswer]]

_JSON = "application/json"
_N_AT_ONCE = 32


class Asker:
    """Sends requests and matches the answers. Requests must leave on the channel that takes the answers."""

    def __init__(self, connection: Connection, user: str) -> None:
        self._connection = connection
        self._user = user
        self._waiting: dict[str, asyncio.Future[AnyAnswer]] = {}
        self._consumer: Consumer | None = None
        self._starting = asyncio.Lock()

    async def ask(self, request: AnyRequest, timeout_s: float) -> AnyAnswer:
        """Return the answer to `request`.

        Raises:
            Unavailable: nobody answers, or not in time.
            EWMSError: of the family that the other side's refusal names.
        """
        question = uuid.uuid4().hex
        answered: asyncio.Future[AnyAnswer] = asyncio.get_running_loop().create_future()
        self._waiting[question] = answered
        try:
            async with asyncio.timeout(timeout_s):
                await self._send(request, question, timeout_s)
                answer = await answered
        except TimeoutError as error:
            raise Unavailable("no answer in time") from error
        finally:
            del self._waiting[question]
        if isinstance(answer, Refusal):
            raise family(answer.code)(answer.error, hint=answer.hint)
        return answer

    async def _send(self, request: AnyRequest, question: str, timeout_s: float) -> None:
        async with self._starting:
            if self._consumer is None:
                self._consumer = await self._connection.consume(
                    DIRECT_REPLY_TO, self._take, prefetch=0, no_ack=True, on_lost=self._lost
                )
        await self._connection.ready(timeout_s)
        channel = self._consumer.channel
        if channel is None or not self._consumer.active:
            raise ConnectionLost("the channel for answers is being restored")
        try:
            await channel.basic_publish(
                request_to_bytes(request),
                exchange=REQUESTS_EXCHANGE,
                routing_key=Service.MQS,
                properties=Basic.Properties(
                    content_type=_JSON,
                    delivery_mode=1,
                    correlation_id=question,
                    message_id=question,
                    reply_to=DIRECT_REPLY_TO,
                    user_id=self._user,
                    expiration=str(int(timeout_s * 1000)),
                ),
                mandatory=True,
                wait=False,
            )
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            raise ConnectionLost("the channel was closed while asking") from error
        except LIBRARY_ERRORS as error:
            raise translated(error) from error

    def _take(self, delivery: Delivery) -> None:
        answered = self._waiting.get(delivery.correlation_id)
        if answered is None or answered.done():
            return  # asked too long ago
        try:
            answered.set_result(answer_from_bytes(delivery.body))
        except EWMSError as error:
            answered.set_exception(Broken(error.reason))

    def _lost(self) -> None:
        for answered in self._waiting.values():
            if not answered.done():
                answered.set_exception(ConnectionLost("the connection was lost before the answer"))


class Answerer:
    """Takes requests off the queue and answers them."""

    def __init__(self, connection: Connection, publisher: Publisher, handler: AnswerHandler) -> None:
        self._connection = connection
        self._publisher = publisher
        self._handler = handler
        self._running: set[asyncio.Task[None]] = set()
        self._consumer: Consumer | None = None

    async def start(self) -> None:
        """Begin to take requests."""
        self._consumer = await self._connection.consume(
            REQUESTS_QUEUE, self._take, prefetch=_N_AT_ONCE, prepare=_declare_requests
        )

    async def drain(self) -> None:
        """Take no further requests and wait for the answers under way."""
        if self._consumer is not None:
            await self._consumer.pause()
        if self._running:
            await asyncio.wait(self._running)

    def _take(self, delivery: Delivery) -> None:
        task = asyncio.create_task(self._answer(delivery))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _answer(self, delivery: Delivery) -> None:
        try:
            if not delivery.user_id:
                raise Forbidden("a request must bear its sender's user_id")
            answer = await self._handler(request_from_bytes(delivery.body), Caller(delivery.user_id))
        except EWMSError as error:
            answer = Refusal(code=error.code, error=error.reason, hint=error.hint)
        except Exception as error:  # noqa: BLE001 - whatever the handler may raise, the asker is waiting
            log.error("request failed", caller=delivery.user_id, error=repr(error), exc_info=True)
            answer = Refusal(code=Broken.code, error="internal error")
        try:
            if delivery.reply_to:
                await self._publisher.send(
                    "",
                    delivery.reply_to,
                    answer_to_bytes(answer),
                    Basic.Properties(
                        content_type=_JSON,
                        delivery_mode=1,
                        correlation_id=delivery.correlation_id,
                        message_id=uuid.uuid4().hex,
                    ),
                    timeout_s=5.0,
                )
        except EWMSError as error:
            log.info("nobody takes the answer any more", caller=delivery.user_id, reason=error.reason)
        await delivery.ack()


async def _declare_requests(channel: aio_pika.abc.AbstractChannel) -> None:
    await channel.declare_exchange(REQUESTS_EXCHANGE, aio_pika.ExchangeType.DIRECT, durable=True)
    # It goes with its last consumer: then asking fails at once rather than at the timeout.
    queue = await channel.declare_queue(
        REQUESTS_QUEUE, durable=True, auto_delete=True, arguments={"x-queue-type": "classic"}
    )
    await queue.bind(REQUESTS_EXCHANGE, Service.MQS)
