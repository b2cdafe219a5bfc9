"""Publish onto a public queue for a caller of the gateway, and look at its events.

The gateway does both as the caller's own client would: MQS mints a token of the caller for the queue, and the gateway
connects with it. So the broker checks the same rights and limits, and no event travels over the control vhost.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime

from runtime.amqp import AccessRefused, ConnectionLost, EventProperties, NotDeclared, QueueFull, Unroutable
from runtime.amqp.borrowing import borrow_events
from runtime.clock import utc_now
from runtime.tracing import current_traceparent
from schemas.attempts.trace_sampling import DEFAULT_ONE_IN, is_marked_by_publisher, mark_headers
from schemas.broker.queue_format import Wire
from schemas.broker.token_claims import read_wire
from schemas.broker.topology import event_exchange
from schemas.errors import EWMSError, NotFound, Unavailable, Unprocessable
from schemas.fleet.documents import WorkflowDocument
from schemas.fleet.objects import MQProfile
from schemas.ids import Alias
from schemas.payloads.data_events import DataEvent, Header, HeaderValue
from schemas.payloads.payload_codec import PreparedEvent
from wms.engine.nested.workflow_queues import WorkflowQueues, open_connection
from wms.gateway.ewms.queues.access_checks import QueueWish, check_not_gone
from wms.gateway.ewms.queues.profiles import planned_profiles

#: How many events may be unconfirmed at once, and how long (seconds) the broker may take to confirm all of a request.
_WINDOW = 256
_PUBLISH_WITHIN_S = 30.0

#: When no further event has come for this time (seconds), the queue has no more.
_QUIET_S = 0.5
#: How many looks at queues the gateway does at once. Each may hold its limit of bytes and 16 events of 4 MiB more.
_LOOKS_AT_ONCE = 2


class QueueDesk:
    """Opens public queues for callers of the gateway."""

    def __init__(self, queues: WorkflowQueues) -> None:
        self._queues = queues
        self._looks = asyncio.Semaphore(_LOOKS_AT_ONCE)

    async def open_queue(self, workflow: WorkflowDocument, wished: QueueWish, subject: str) -> MQProfile:
        """Return the profile of the `wished` queue, with a token of `subject`.

        Raises:
            Unavailable: the queue is not active yet, or MQS does not answer.
            Unprocessable: the workflow has ended, and its queue is gone.
        """
        try:
            found = await self._queues.find_queues(workflow.workflow_id, subject) if workflow.queues_active_at else {}
        except NotFound:
            # MQS does not have these queues yet, or it has deleted them.
            found = {}
        if profile := found.get(Alias(wished.alias or "")):
            return profile
        check_not_gone(workflow, wished, planned_profiles(workflow))
        raise Unavailable(
            f"queue '{wished.alias}' of {workflow.workflow_id} is not active yet",
            hint=f"wait: ewms workflow wait {workflow.workflow_id} --for active",
        )

    async def publish_events(self, profile: MQProfile, events: Sequence[PreparedEvent]) -> None:
        """Publish `events`, and return when the broker has confirmed all of them.

        Raises:
            Unprocessable: the queue takes no more events.
            Unavailable: the broker does not answer, or the queue is full. The error says how many events it has
                confirmed.
        """
        exchange = event_exchange(profile.mqid)
        events = mark_events(events, read_wire(profile.auth_token or ""), utc_now(), trace=current_traceparent())
        try:
            async with open_connection(profile) as connection:
                publisher = connection.open_publisher(window=_WINDOW)
                waits = [
                    publisher.post_event(
                        exchange,
                        profile.mqid,
                        event.body,
                        EventProperties(event.id, event.content_type, event.headers),
                        timeout_s=_PUBLISH_WITHIN_S,
                    )
                    for event in events
                ]
                results = await asyncio.gather(*waits, return_exceptions=True)
        except AccessRefused as error:
            raise _refuse_access(error) from error
        failures = [result for result in results if isinstance(result, BaseException)]
        if failures:
            n_confirmed = len(results) - len(failures)
            raise describe_failure(failures[0], profile.alias, n_confirmed, len(results)) from failures[0]

    async def look_at_events(self, profile: MQProfile, n: int, max_bytes: int) -> tuple[list[DataEvent], bool]:
        """Return up to `n` events that wait in the queue, and whether events are left out because of `max_bytes`.

        All events stay in the queue. The first event comes even if it has more bytes.

        Raises:
            Unavailable: the broker does not answer, or the queue was just deleted.
        """
        async with self._looks:
            try:
                async with open_connection(profile) as connection:
                    seen = await borrow_events(connection, profile.mqid, n, quiet_s=_QUIET_S, max_bytes=max_bytes)
            except NotDeclared as error:
                raise Unavailable(f"queue '{profile.alias}' was just deleted") from error
            except AccessRefused as error:
                raise _refuse_access(error) from error
        return cut_events([delivery.event for delivery in seen], max_bytes)


def cut_events(events: Sequence[DataEvent], max_bytes: int) -> tuple[list[DataEvent], bool]:
    """Return the first of `events` whose bodies have at most `max_bytes` together, and whether others are left out.

    The first event is always returned.
    """
    kept: list[DataEvent] = []
    n_bytes = 0
    for event in events:
        n_bytes += len(event.body)
        if kept and n_bytes > max_bytes:
            return kept, True
        kept.append(event)
    return kept, False


def mark_events(
    events: Sequence[PreparedEvent], wire: Wire, now: datetime, *, trace: str | None = None
) -> list[PreparedEvent]:
    """Return `events` with the `trace` of the request. The first ones and a sample of the others are marked."""
    if wire is not Wire.EWMS:
        return [*events]  # existing message clients set no headers, so their queues carry none
    carried: dict[str, HeaderValue] = {Header.TRACE.value: trace} if trace else {}
    return [
        event._replace(headers={**event.headers, **carried, **mark_headers(event.id, now)})
        if is_marked_by_publisher(event.id, n, DEFAULT_ONE_IN)
        else event._replace(headers={**event.headers, **carried})
        for n, event in enumerate(events)
    ]


def describe_failure(error: BaseException, alias: str, n_confirmed: int, n_events: int) -> BaseException:
    """Return the error for the caller whose request stopped with `error` after `n_confirmed` events."""
    done = f"{n_confirmed} of {n_events} event(s) published onto '{alias}'"
    again = "send the request again with the same Idempotency-Key, or with 'key': results then come once"
    match error:
        case Unroutable():
            return Unprocessable(
                f"{done}: the queue takes no more events, because its inputs are closed or the workflow is over",
                hint="request a new workflow for the events that are left",
            )
        case QueueFull():
            return Unavailable(
                f"{done}: the queue is full", hint=f"wait until workers have taken some events; then {again}"
            )
        case AccessRefused():
            return _refuse_access(error)
        case ConnectionLost():
            return Unavailable(f"{done}: the broker did not confirm the others: {error.reason}", hint=again)
        case EWMSError():
            return type(error)(f"{done}: {error.reason}", hint=error.hint)
        case _:
            return error


def _refuse_access(error: AccessRefused) -> Unavailable:
    return Unavailable(
        f"the broker refuses your connection: {error.reason}",
        hint="if you have many connections to the broker, close some; else tell the people who run the server",
    )
