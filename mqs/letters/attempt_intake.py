"""Store the attempts that pilots report: failed ones, and those at traced events that ended well.

MQS acknowledges a report after it has stored it.
"""

import secrets
from collections import Counter, deque
from collections.abc import Sequence
from datetime import timedelta
from itertools import islice

from mqs.broker.data_vhost import DataVhost
from mqs.groups import repository
from mqs.letters.attempt_export import AttemptSpanExport
from mqs.letters.reported_attempts import (
    document_id,
    document_of,
    done_document_of,
    read_done_attempt,
    workflow_of_exchange,
)
from runtime.amqp import Consumer, Delivery
from runtime.clock import utc_now
from runtime.concurrency.loops import BackgroundLoop
from runtime.kernel.decision import Document
from runtime.kernel.store import Store
from runtime.telemetry import counter, log
from schemas.attempts.documents import DONE_ATTEMPTS, FAILED_ATTEMPTS
from schemas.attempts.done_reports import DONE_REPORT_TYPE
from schemas.attempts.failed_reports import attempt_from_bytes
from schemas.errors import Rejected
from schemas.ids import WorkflowId
from schemas.payloads.data_events import DeadReason
from schemas.registry import Collection

_PREFETCH = 400
_BATCH = 200

#: The pause after a failure of the database or the broker, in seconds.
_RETRY_S = 2.0

#: MQS deletes reports above the bound after this many new ones of a workflow, and once at its first report.
_TRIM_EVERY = 200

_MAX_KNOWN = 10_000

#: The reasons of our own pilots. A client of its own may report any text.
_REASONS = frozenset(DeadReason)

_stored = counter("mqs_failed_attempts_total", "Failed attempts stored.")
_traced = counter("mqs_done_attempts_total", "Attempts at traced events that ended well, stored.")
_dead = counter("mqs_dead_letters_total", "Events that pilots gave up, by the reason that they report.", ["reason"])
_refused = counter("mqs_failed_attempts_refused_total", "Reports of attempts that could not be read.")


class AttemptsIntake:
    """Takes the reports from their queue, and stores them in batches."""

    def __init__(
        self, store: Store, broker: DataVhost, *, max_failed: int, max_done: int, retention: timedelta
    ) -> None:
        """Keep at most `max_failed` failed attempts and `max_done` others of each workflow, the newest."""
        self._store = store
        self._broker = broker
        self._limits = {FAILED_ATTEMPTS: max_failed, DONE_ATTEMPTS: max_done}
        self._retention = retention
        self._spans = AttemptSpanExport()
        self._waiting: deque[Delivery] = deque()
        #: By collection and workflow.
        self._n_untrimmed: Counter[tuple[Collection, WorkflowId]] = Counter()
        self._known: set[tuple[Collection, WorkflowId]] = set()
        self._consumer: Consumer | None = None
        self._storing = BackgroundLoop(
            self._store_waiting,
            name="failed attempts",
            failed="failed attempts cannot be stored yet",
            back_off=lambda _: _RETRY_S,
            details=lambda: {"n": len(self._waiting)},
        )
        self._binding = BackgroundLoop(
            self._bind_older,
            name="bindings of failed attempts",
            failed="the queues of older workflows cannot be bound yet, so their failed attempts do not arrive",
            back_off=lambda _: _RETRY_S,
        )

    async def start(self) -> None:
        """Start to take reports. Bind older workflows to the queue, so that their pilots can send reports too."""
        self._consumer = await self._broker.consume_attempts(self._take_delivery, prefetch=_PREFETCH)
        # A broker that comes back may have lost its bindings.
        self._broker.on_connected.append(self._binding.wake)
        self._storing.start()
        self._binding.start()

    async def stop(self) -> None:
        """Take no more reports. Reports that are not stored yet go back to their queue."""
        if self._consumer is not None:
            self._broker.on_connected.remove(self._binding.wake)
            await self._storing.stop()
            await self._binding.stop()
            await self._consumer.close()

    def _take_delivery(self, delivery: Delivery) -> None:
        self._waiting.append(delivery)
        self._storing.wake()

    async def _store_waiting(self) -> float | None:
        """Store the oldest reports that wait. Return 0 if more wait, else None."""
        # Leave out deliveries whose channel was lost: they come again by themselves.
        self._waiting = deque(one for one in self._waiting if not (one.is_lost or one.settled))
        if batch := list(islice(self._waiting, _BATCH)):
            await self._store_all(batch)
        return 0.0 if len(self._waiting) > len(batch) else None

    async def _store_all(self, batch: Sequence[Delivery]) -> None:
        try:
            await self._store_batch(batch)
        except Rejected:
            # The database cannot store one of them. That must not delay the others.
            await self._store_each(batch)

    async def _store_each(self, batch: Sequence[Delivery]) -> None:
        for delivery in batch:
            try:
                await self._store_batch([delivery])
            except Rejected as error:
                _refused.inc()
                log.warning("a report of an attempt is dropped", exchange=delivery.exchange, reason=error.reason)
                await delivery.ack()

    async def _store_batch(self, batch: Sequence[Delivery]) -> None:
        found: dict[Collection, list[Document]] = {FAILED_ATTEMPTS: [], DONE_ATTEMPTS: []}
        for delivery in batch:
            try:
                collection, document = self._build_document(delivery)
                found[collection].append(document)
            except Rejected as error:
                _refused.inc()
                log.warning("a report of an attempt is dropped", exchange=delivery.exchange, reason=error.reason)
        for collection, documents in found.items():
            await self._store.insert_new(collection, documents)
        for delivery in batch:
            await delivery.ack()
        _stored.inc(len(found[FAILED_ATTEMPTS]))
        _traced.inc(len(found[DONE_ATTEMPTS]))
        for document in found[FAILED_ATTEMPTS]:
            if document["gave_up"]:
                _dead.labels(document["reason"] if document["reason"] in _REASONS else "other").inc()
        self._spans.export_attempts(failed=found[FAILED_ATTEMPTS], done=found[DONE_ATTEMPTS])
        for collection, documents in found.items():
            for workflow_id, n in Counter(WorkflowId(document["workflow_id"]) for document in documents).items():
                await self._trim_attempts(collection, workflow_id, n)

    def _build_document(self, delivery: Delivery) -> tuple[Collection, Document]:
        """Return the document of a report, and its collection."""
        if (workflow_id := workflow_of_exchange(delivery.exchange)) is None:
            raise Rejected("the report did not come over a workflow's dead exchange")
        now, entropy = utc_now(), secrets.randbits(48)
        if delivery.content_type == DONE_REPORT_TYPE:
            done = read_done_attempt(delivery.body)
            stored = done_document_of(workflow_id, done, now=now, entropy=entropy, retention=self._retention)
            return DONE_ATTEMPTS, {"_id": document_id(workflow_id, done), **stored.model_dump()}
        attempt = attempt_from_bytes(delivery.body)
        document = document_of(workflow_id, attempt, now=now, entropy=entropy, retention=self._retention)
        return FAILED_ATTEMPTS, {"_id": document_id(workflow_id, attempt), **document.model_dump()}

    async def _trim_attempts(self, collection: Collection, workflow_id: WorkflowId, n_more: int) -> None:
        """Delete a workflow's oldest attempts above the limit, but not at every call; see `_TRIM_EVERY`."""
        which = (collection, workflow_id)
        self._n_untrimmed[which] += n_more
        if which in self._known and self._n_untrimmed[which] < _TRIM_EVERY:
            return
        if len(self._known) >= _MAX_KNOWN:
            self._known.clear()
            self._n_untrimmed.clear()
        self._known.add(which)
        self._n_untrimmed.pop(which, None)
        n_gone = await repository.trim_attempts(self._store, collection, workflow_id, n_kept=self._limits[collection])
        if n_gone:
            log.info("the oldest attempts were deleted", collection=collection, workflow_id=workflow_id, n=n_gone)

    async def _bind_older(self) -> None:
        await self._broker.bind_attempts(await repository.find_workflows_with_queues(self._store))
