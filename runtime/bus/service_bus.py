"""A service's control events and questions, over one connection to the control vhost."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Self

from runtime.amqp import Connection, EventProperties, NoLeader, NotDeclared, Unroutable
from runtime.amqp.address import broker_urls
from runtime.bus import inbox
from runtime.bus.dispatch import DispatchTable, EventHandler
from runtime.bus.intake import Intake
from runtime.bus.questions import Answerer, AnswerHandler, Asker, Caller
from runtime.concurrency.retry import call_until_there
from schemas.broker import topology
from schemas.errors import Unavailable
from schemas.events import ControlEvent
from schemas.ids import EventId
from schemas.questions.bases import Answer, Question
from schemas.wire import EVENT_CONTENT_TYPE, event_to_bytes

__all__ = ["AnswerHandler", "Bus", "Caller", "DispatchTable"]

#: How long a publish waits for the broker to come back. Then the event stays in the outbox, or the caller tries again.
_PUBLISH_TIMEOUT_S = 10.0


class Bus:
    """A service's connection to the control vhost. Open it by `Bus.connect`."""

    def __init__(self, connection: Connection, *, service: str, source: str, user: str) -> None:
        self.service = service
        self.source = source
        self._connection = connection
        self._user = user
        self._publisher = connection.open_publisher(window=200)
        # Facts have a channel of their own: when the broker refuses a fact, it closes the channel with all its events.
        self._fact_publisher = connection.open_publisher(window=200)
        self._asker = Asker(connection, service=service, user=user)
        self._intakes: list[Intake] = []
        self._answerers: list[Answerer] = []

    @classmethod
    async def connect(
        cls, url: str, *, service: str, source: str, wait_s: float = 30.0, backoff_cap_s: float = 5.0
    ) -> Self:
        """Connect `service` (`wms`, `mqs`, `tms.<encoded schedd>`), declare its inbox, and return the bus.

        This waits up to `wait_s` for the broker, and in a TMS also for the exchanges that other services declare.

        Raises:
            Unavailable: the broker, the exchanges, or the leader of an older inbox did not appear in time.
            AccessRefused: the broker refuses the credentials.
        """
        connection = await Connection.connect(url, name=f"ewms {service}", wait_s=wait_s, backoff_cap_s=backoff_cap_s)
        self = cls(connection, service=service, source=source, user=broker_urls(url)[0].user or "guest")

        try:
            await call_until_there(
                lambda: inbox.declare_inbox(connection, service),
                missing=(NotDeclared, NoLeader),
                waiting_for="the control exchange and the inbox",
                wait_s=wait_s,
            )
        except BaseException:
            await connection.close()
            raise
        return self

    @property
    def is_connected(self) -> bool:
        """Whether the broker is connected now."""
        return self._connection.is_connected

    @property
    def on_connected(self) -> list[Callable[[], None]]:
        """The callbacks that are called each time the connection is restored. Add your own to this list."""
        return self._connection.on_connected

    async def publish(self, event: ControlEvent) -> None:
        """Send `event`, and return when the broker has it in a queue.

        Raises:
            Unroutable: no inbox takes the event.
            Unavailable: the broker is away.
        """
        await self.send_serialised(event.id, event.routing_key, event_to_bytes(event), traceparent=event.traceparent)

    async def send_serialised(
        self, event_id: EventId, routing_key: str, body: bytes, *, traceparent: str | None = None
    ) -> None:
        """Send an event whose bytes are `body`, and return as `publish` does, with the same errors."""
        await self._publisher.publish(
            topology.CONTROL_EXCHANGE,
            routing_key,
            body,
            message_id=event_id,
            content_type=EVENT_CONTENT_TYPE,
            user_id=self._user,
            headers={"traceparent": traceparent} if traceparent else None,
            timeout_s=_PUBLISH_TIMEOUT_S,
        )

    async def send_hint(self, event: ControlEvent) -> None:
        """Send an event that its sender repeats until it has an effect. The broker may lose the event.

        Raises the errors of `publish`.
        """
        properties = EventProperties(event.id, EVENT_CONTENT_TYPE, user_id=self._user, is_persistent=False)
        await self._publisher.send_event(
            topology.CONTROL_EXCHANGE,
            event.routing_key,
            event_to_bytes(event),
            properties,
            timeout_s=_PUBLISH_TIMEOUT_S,
        )

    async def state_fact(self, event_id: EventId, routing_key: str, body: bytes) -> None:
        """Publish the fact whose bytes are `body`. Return when it is in the inbox of every service that listens for it.

        If no service listens, the broker drops the fact. That is not an error.

        Raises:
            AccessRefused: only another service may publish the fact, or the broker's definitions are older than the
                fact.
            NotDeclared: the broker's definitions are older than facts, and no service has declared their exchange.
            Unavailable: the broker is away.
        """
        with suppress(Unroutable):
            await self._fact_publisher.publish(
                topology.FACTS_EXCHANGE,
                routing_key,
                body,
                message_id=event_id,
                content_type=EVENT_CONTENT_TYPE,
                user_id=self._user,
                timeout_s=_PUBLISH_TIMEOUT_S,
            )

    async def consume(self, handlers: DispatchTable | EventHandler, *, prefetch: int = 16) -> None:
        """Subscribe to the inbox, and return. From then on `handlers` get its events, up to `prefetch` at a time.

        If `handlers` is one handler instead of a table, it gets every event. Parked events that have a handler now
        first return to the inbox. The table in `runtime.bus.intake` says what the errors of a handler mean.
        """
        table = handlers if isinstance(handlers, DispatchTable) else DispatchTable.with_one_handler(handlers)
        await inbox.take_back_parked(self._connection, self._publisher, self.service, self._user, table)
        intake = Intake(self.service, self._user, table, self._publisher)
        self._intakes.append(intake)
        intake.consumer = await self._connection.consume(
            topology.inbox_queue(self.service),
            intake.take_delivery,
            prefetch=prefetch,
            prepare=lambda _: inbox.declare_inbox(self._connection, self.service),
        )

    async def ask(self, request: Question, *, to: str | None = None, timeout_s: float = 5.0) -> Answer:
        """Ask `request`, and return the answer. `to` names one instance of a service that has several.

        Raises:
            Unavailable: no service answers, or not in time.
            EWMSError: the service refuses; the error has the family that the refusal names.
        """
        return await self._asker.ask(request, timeout_s, to=to or request.TO)

    async def answer(self, handler: AnswerHandler) -> None:
        """Answer questions by `handler`, which gets the question and its caller. Its `EWMSError`s become refusals.

        The bus answers questions for the version itself.
        """
        answerer = Answerer(self._connection, self._publisher, handler, service=self.service, user=self._user)
        self._answerers.append(answerer)
        await answerer.start()

    async def ping(self) -> None:
        """Return if the broker is connected, accepts events, and lets this service take those of its inbox.

        Raises:
            Unavailable: the broker is not connected, or accepts no events because it is low on memory or disk.
            EWMSError: the last attempt to subscribe to the inbox failed.
        """
        await self._connection.wait_until_ready(0.1)
        for intake in self._intakes:
            if intake.consumer is not None and (refusal := intake.consumer.refusal) is not None:
                raise refusal
        if reason := self._connection.blockade.reason:
            raise Unavailable(f"the broker takes no events for now: {reason}")

    async def drain(self) -> None:
        """Take no more events, and wait until every running handler has ended. The bus can still publish."""
        await asyncio.gather(
            *(intake.drain_handlers() for intake in self._intakes), *(answerer.drain() for answerer in self._answerers)
        )

    async def close(self) -> None:
        """Close the connection; call `drain` first."""
        await self._connection.close()
