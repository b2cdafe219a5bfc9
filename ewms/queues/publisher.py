"""Publish events onto a public queue: many at once, with a limit on unconfirmed events. Each event is confirmed or
reported.
"""

import asyncio
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Self

from ewms.ends import close_inputs
from ewms.errors import PublishFailed
from ewms.gateway.caller_trace import find_caller_trace
from ewms.gateway.http import Gateway
from ewms.queues.queue_access import QueueAccess
from runtime.amqp import EventProperties, Unroutable
from schemas.api.queues.profiles import Use
from schemas.attempts.trace_sampling import DEFAULT_ONE_IN, is_marked_by_publisher, mark_headers
from schemas.broker.queue_format import Wire
from schemas.broker.topology import event_exchange
from schemas.errors import Broken, Conflict, EWMSError
from schemas.ids import EventId, WorkflowId
from schemas.payloads.data_events import Header
from schemas.payloads.payload_codec import PreparedEvent, event_id, prepare_event

#: How many events may be unconfirmed before `send` waits.
DEFAULT_WINDOW = 256


class AsyncPublisher:
    """A publisher for one queue. Open it with `async with`.

        async with run.queue("photons").publisher() as publisher:
            await publisher.send({"id": 7}, key=7)

    `send` returns when the event is on its way; it waits while `window` events are unconfirmed. The end of the block
    waits for every confirm, and raises `PublishFailed` if the broker did not accept an event.
    """

    def __init__(
        self,
        gateway: Gateway,
        workflow: WorkflowId,
        alias: str,
        *,
        window: int = DEFAULT_WINDOW,
        active_timeout_s: float | None = None,
        timeout_s: float = 60.0,
        close_inputs: bool = False,
        trace_one_in: int = DEFAULT_ONE_IN,
    ) -> None:
        """If `close_inputs`, the end of the block closes all inputs of the workflow, unless the block raises an
        error. `trace_one_in` is described at `AsyncQueue.publisher`.

        Raises:
            ValueError: `trace_one_in` is less than 0.
        """
        if trace_one_in < 0:
            raise ValueError("trace_one_in must be 0 or more: 0 marks no event, 1 marks all")
        self._gateway = gateway
        self._workflow = workflow
        self._alias = alias
        self._window = window
        self._active_timeout_s = active_timeout_s
        self._timeout_s = timeout_s
        self._close_inputs = close_inputs
        self._slots = asyncio.Semaphore(window)
        self._trace_one_in = trace_one_in
        self._n_pending = 0
        self._n_started = 0
        self._is_settled = asyncio.Event()
        self._failures: list[tuple[str, EWMSError]] = []
        self._access: QueueAccess | None = None
        #: How many events the broker has confirmed.
        self.n_confirmed = 0
        #: The publisher calls this with a sentence when the broker stops or resumes taking events. The default does
        #: nothing.
        self.notify: Callable[[str], None] = lambda _: None

    async def __aenter__(self) -> Self:
        self._access = await QueueAccess.open_queue(
            self._gateway, self._workflow, self._alias, Use.PUBLISH, self._active_timeout_s
        )
        self._access.connection.blockade.on_change.append(self._tell_blocked)
        self._publisher = self._access.connection.open_publisher(window=self._window)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            # After an error in the block we still wait for the confirms, but raise only the block's own error.
            await (self.flush() if kind is None else self._wait_until_settled())
        finally:
            if self._access is not None:
                await self._access.close()
        if kind is None and self._close_inputs:
            await close_inputs(self._gateway, self._workflow)

    async def send(self, payload: Any, *, key: object | None = None, content_type: str | None = None) -> EventId:
        """Send `payload`, and return the id of its event.

        Bytes are sent unchanged, a str as UTF-8 text, anything else as JSON (a UUID as a text, an Enum as its value).
        An event has at most 4 MiB. `key` identifies the event, for example `photon["id"]`: the same key gives the same
        id. If two events have one key, the broker delivers both, and the task runs for both. Their outputs have the
        same ids, so `results` returns the first output and leaves out the second. `content_type` replaces the payload's
        own.

        Raises:
            TypeError, ValueError: the payload cannot be sent, see `payload_codec.encode_payload`.
            Unwritable: the payload is too large for old message clients.
            TooLarge: the event has more than 4 MiB.
            PublishFailed: the broker did not accept earlier events.
        """
        self.raise_failures()
        prepared = self.prepare_event(payload, key=key, content_type=content_type)
        await self._slots.acquire()
        self.start_sending(prepared, self._slots.release)
        return prepared[0]

    def prepare_event(
        self, payload: Any, *, key: object | None = None, content_type: str | None = None
    ) -> PreparedEvent:
        """Return the event for `payload`, ready to be sent. `send` describes the arguments and errors.

        Call this in the caller's thread and task: the event carries the trace that is current there.
        """
        access = self._opened_access
        id_ = event_id(access.mqid, key) or EventId(str(uuid.uuid4()))
        event = prepare_event(payload, id_, key=key, content_type=content_type, wire=access.wire)
        # Existing message clients set no headers, so their queues carry none.
        if access.wire is Wire.EWMS and (trace := find_caller_trace()):
            event = event._replace(headers={**event.headers, Header.TRACE.value: trace})
        return event

    def start_sending(self, event: PreparedEvent, done: Callable[[], None]) -> None:
        """Start to send `event`. Call `done` when it is confirmed or has failed, after the timeout at the latest."""
        access = self._opened_access
        mqid, headers = access.mqid, event.headers
        if access.wire is Wire.EWMS and is_marked_by_publisher(event.id, self._n_started, self._trace_one_in):
            headers = {**headers, **mark_headers(event.id, datetime.now(UTC))}
        properties = EventProperties(event.id, event.content_type, headers)
        self._n_started += 1
        self._n_pending += 1
        self._is_settled.clear()

        def settle_event(error: BaseException | None) -> None:
            self._n_pending -= 1
            if not self._n_pending:
                self._is_settled.set()
            self._note_result(event.id, error)
            done()

        self._publisher.post_event_and_call(
            settle_event, event_exchange(mqid), mqid, event.body, properties, timeout_s=self._timeout_s
        )

    async def flush(self) -> None:
        """Wait until the broker has confirmed everything that was sent so far.

        Raises:
            PublishFailed: the broker did not accept some of it.
        """
        await self._wait_until_settled()
        self.raise_failures()

    async def _wait_until_settled(self) -> None:
        while self._n_pending:
            await self._is_settled.wait()

    def _tell_blocked(self, reason: str) -> None:
        self.notify(
            f"the broker takes no events for now ({reason}); waiting" if reason else "the broker takes events again"
        )

    @property
    def _opened_access(self) -> QueueAccess:
        if self._access is None:
            raise RuntimeError("use the publisher inside its `with` block")
        return self._access

    def raise_failures(self) -> None:
        """Raise `PublishFailed` with the events that have failed since the last call. Do nothing if there are none."""
        if self._failures:
            failures, self._failures = self._failures, []
            raise PublishFailed(failures)

    def _note_result(self, id_: EventId, error: BaseException | None) -> None:
        """Count the event `id_` as confirmed if `error` is None; otherwise store the error."""
        match error:
            case None:
                self.n_confirmed += 1
            case Unroutable():
                # The exchange leads to no queue. The only reason: the inputs are closed, or the workflow is over.
                self._failures.append((id_, _make_closed_error(self._workflow, self._alias, error)))
            case EWMSError():
                self._failures.append((id_, error))
            case _:
                # For example a property that AMQP cannot hold.
                self._failures.append((id_, Broken(f"the event cannot be written: {error!r}")))


def _make_closed_error(workflow: WorkflowId, alias: str, error: Unroutable) -> Conflict:
    closed = Conflict(
        f"queue {alias!r} of {workflow} takes no more events: its inputs are closed, or the workflow is over",
        hint="request a new workflow for the events that are left",
    )
    closed.__cause__ = error
    return closed
