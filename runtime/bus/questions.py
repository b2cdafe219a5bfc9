"""Ask another service a question and get its answer. Questions and answers are not stored.

The answer comes by direct reply-to, or over the exchange of requests into a queue that the asker declares. The
answering service's `ServiceSpec` says which. Direct replies need the right to write to the default exchange, which
reaches every inbox, so few services have that right.

The broker checks `user_id` against the connection's user, so the answering service knows who asks. Source: RabbitMQ
documentation, "Direct Reply-to" and "Validated User-ID".
"""

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from importlib.metadata import version
from typing import NewType, Protocol

from pamqp.commands import Basic

from runtime.amqp import (
    ConfirmedPublisher,
    Connection,
    ConnectionLost,
    Consumer,
    Delivery,
    EventProperties,
    NotDeclared,
)
from runtime.amqp.cancellation import CHANNEL_ERRORS, translate_channel_error
from runtime.bus.question_queues import declare_answers, declare_requests
from runtime.concurrency.retry import call_until_there
from runtime.telemetry import log
from schemas.broker.services import AnswersBy, spec_of
from schemas.broker.topology import DIRECT_REPLY_TO, REQUESTS_EXCHANGE, is_answers_queue, requests_queue, user_at
from schemas.errors import Broken, EWMSError, Forbidden, Unavailable, find_family
from schemas.questions.bases import Answer, Question, Refusal, VersionAnswer, VersionQuery
from schemas.wire import answer_from_bytes, answer_to_bytes, request_from_bytes, request_to_bytes

#: The broker user who asks: the name of a service, such as `wms` or `tms.<encoded schedd>`.
Caller = NewType("Caller", str)

AnswerHandler = Callable[[Question, Caller], Awaitable[Answer]]

_JSON = "application/json"
#: How many seconds a service waits for its queue of questions when it starts.
_PATIENCE_S = 30.0


class Asks(Protocol):
    """The method of the bus that asks questions. Code that only asks uses this, so a test can replace the bus."""

    async def ask(self, request: Question, *, to: str | None = None, timeout_s: float = 5.0) -> Answer:
        """Ask `request`, and return the answer; see `Bus.ask`."""
        ...


_N_AT_ONCE = 32


class Asker:
    """Sends questions and matches their answers. A question must leave on the channel that gets the answer."""

    def __init__(self, connection: Connection, *, service: str, user: str) -> None:
        self._connection = connection
        self._service = service
        self._user = user
        #: Question id -> the broker user asked, and the future of its answer.
        self._waiting: dict[str, tuple[str, asyncio.Future[Answer]]] = {}
        #: The consumers of answers, by the way in which these come.
        self._consumers: dict[AnswersBy, Consumer] = {}
        self._starting = asyncio.Lock()

    async def ask(self, request: Question, timeout_s: float, *, to: str) -> Answer:
        """Send the question `request` to the service `to`, and return the answer.

        Raises:
            Unavailable: no service answers, or not in time.
            EWMSError: the other service refuses; the error has the family that the refusal names.
            Broken: the answer cannot be read.
        """
        question = uuid.uuid4().hex
        answered: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting[question] = (user_at(to), answered)
        try:
            async with asyncio.timeout(timeout_s):
                await self._send_question(request, question, timeout_s, to)
                answer = await answered
        except TimeoutError as error:
            raise Unavailable("no answer in time") from error
        finally:
            del self._waiting[question]
        if isinstance(answer, Refusal):
            raise find_family(answer.code)(answer.error, hint=answer.hint)
        return answer

    async def _send_question(self, request: Question, question: str, timeout_s: float, to: str) -> None:
        consumer = await self._answers_consumer(spec_of(to).answers_by)
        await self._connection.wait_until_ready(timeout_s)
        channel = consumer.channel
        if channel is None or not consumer.is_active:
            raise ConnectionLost("the channel for answers is being restored")
        try:
            await channel.basic_publish(
                request_to_bytes(request),
                exchange=REQUESTS_EXCHANGE,
                routing_key=to,
                properties=Basic.Properties(
                    content_type=_JSON,
                    delivery_mode=1,
                    correlation_id=question,
                    message_id=question,
                    reply_to=consumer.queue,
                    user_id=self._user,
                    expiration=str(int(timeout_s * 1000)),
                ),
                mandatory=True,
                wait=False,
            )
        except CHANNEL_ERRORS as error:
            raise translate_channel_error(error) from error

    async def _answers_consumer(self, answers_by: AnswersBy) -> Consumer:
        async with self._starting:
            if answers_by not in self._consumers:
                is_direct = answers_by is AnswersBy.DIRECT_REPLY
                self._consumers[answers_by] = await self._connection.consume(
                    DIRECT_REPLY_TO if is_direct else "answers",
                    self._take_answer,
                    prefetch=0,
                    no_ack=True,
                    prepare=None if is_direct else lambda channel: declare_answers(channel, self._service),
                    on_lost=self._fail_waiting,
                )
            return self._consumers[answers_by]

    def _take_answer(self, delivery: Delivery) -> None:
        asked, answered = self._waiting.get(delivery.correlation_id, ("", None))
        if answered is None or answered.done():
            return  # the answer is too late
        if delivery.user_id != asked:
            log.warning("answer from another user than the one asked", asked=asked, user=delivery.user_id)
            return
        try:
            answered.set_result(answer_from_bytes(delivery.body))
        except EWMSError as error:
            answered.set_exception(Broken(error.reason))

    def _fail_waiting(self) -> None:
        for _, answered in self._waiting.values():
            if not answered.done():
                answered.set_exception(ConnectionLost("the connection was lost before the answer"))


class Answerer:
    """Takes questions from the queue of this service, and answers each by `handler`; that for its version by itself."""

    def __init__(
        self, connection: Connection, publisher: ConfirmedPublisher, handler: AnswerHandler, *, service: str, user: str
    ) -> None:
        self._service = service
        self._user = user
        self._connection = connection
        self._publisher = publisher
        self._handler = handler
        self._running: set[asyncio.Task[None]] = set()
        self._consumer: Consumer | None = None

    async def start(self) -> None:
        """Begin to take questions."""
        # The broker may delete the shared queue, because nobody took from it, just after it was declared again.
        self._consumer = await call_until_there(
            lambda: self._connection.consume(
                requests_queue(self._service),
                self._take_request,
                prefetch=_N_AT_ONCE,
                prepare=lambda channel: declare_requests(self._connection, channel, self._service),
            ),
            missing=NotDeclared,
            waiting_for="the queue of questions",
            wait_s=_PATIENCE_S,
        )

    async def drain(self) -> None:
        """Take no more questions, and wait until the taken questions are answered."""
        if self._consumer is not None:
            await self._consumer.pause()
        if self._running:
            await asyncio.wait(self._running)

    def _take_request(self, delivery: Delivery) -> None:
        task = asyncio.create_task(self._answer_request(delivery))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _answer_request(self, delivery: Delivery) -> None:
        try:
            if not delivery.user_id:
                raise Forbidden("a request must have its sender's user_id")
            request = request_from_bytes(delivery.body)
            if isinstance(request, VersionQuery):
                answer: Answer = VersionAnswer(version=version("ewms"))
            else:
                answer = await self._handler(request, Caller(delivery.user_id))
        except EWMSError as error:
            answer = Refusal(code=error.code, error=error.reason, hint=error.hint)
        except Exception as error:  # noqa: BLE001 - whatever the handler may raise, the asker is waiting
            log.error("request failed", caller=delivery.user_id, error=repr(error), exc_info=True)
            answer = Refusal(code=Broken.code, error="internal error")
        direct = (delivery.reply_to or "").startswith(DIRECT_REPLY_TO)
        try:
            # An answer can contain a token, so send it only to an address that belongs to the asker.
            if delivery.reply_to and (direct or is_answers_queue(delivery.reply_to, delivery.user_id)):
                await self._publisher.send_event(
                    "" if direct else REQUESTS_EXCHANGE,
                    delivery.reply_to,
                    answer_to_bytes(answer),
                    EventProperties(
                        uuid.uuid4().hex,
                        _JSON,
                        user_id=self._user,
                        correlation_id=delivery.correlation_id,
                        is_persistent=False,
                    ),
                    timeout_s=5.0,
                )
        except EWMSError as error:
            log.info("answer not delivered: the question's time is over", caller=delivery.user_id, reason=error.reason)
        await delivery.ack()
