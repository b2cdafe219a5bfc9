"""Turn a report of a failed attempt into a document. (core)

User code can write the text of a report. So MQS takes the workflow from the exchange, never from the report.
"""

import hashlib
from datetime import UTC, datetime, timedelta

from schemas.failures.attempts import FailedAttempt
from schemas.failures.history import Attempt
from schemas.failures.signatures import signature_id, signature_text
from schemas.ids import WORKFLOW_ID, WorkflowId
from schemas.mqs_documents import FailedAttemptDocument
from schemas.topology import dead_exchange

_PREFIX = dead_exchange(WorkflowId(""))

#: A worker's clock may be wrong. MQS replaces a date that is further from now than this by its own time.
_CLOCK_TRUST = timedelta(days=1)


def workflow_of_exchange(exchange: str) -> WorkflowId | None:
    """Return the workflow whose pilots alone may publish to `exchange`. Return None if it is not a dead exchange."""
    workflow = exchange.removeprefix(_PREFIX)
    return WorkflowId(workflow) if exchange.startswith(_PREFIX) and WORKFLOW_ID.fullmatch(workflow) else None


def document_id(workflow_id: WorkflowId, attempt: FailedAttempt) -> str:
    """Return the id of a report. A repeated report has the same id."""
    words = (
        workflow_id,
        attempt.event_id or attempt.digest,
        attempt.queue,
        attempt.pilot,
        f"{attempt.n_replays}.{attempt.attempt}",
    )
    return hashlib.sha256("\0".join(words).encode()).hexdigest()[:32]


def document_of(
    workflow_id: WorkflowId, attempt: FailedAttempt, *, now: datetime, entropy: int, retention: timedelta
) -> FailedAttemptDocument:
    """Return the document for `attempt`. 48 bits of `entropy` distinguish documents of the same millisecond."""
    return FailedAttemptDocument(
        workflow_id=workflow_id,
        cursor=f"{int(now.timestamp() * 1000):012x}{entropy & 0xFFFFFFFFFFFF:012x}",
        expires_at=now + retention,
        event_id=attempt.event_id,
        parent=attempt.parent,
        key=attempt.key,
        attempt=attempt.attempt,
        n_replays=attempt.n_replays,
        gave_up=attempt.gave_up,
        counts=attempt.counts,
        task_id=attempt.task_id,
        taskforce_uuid=attempt.taskforce_uuid,
        queue=attempt.queue,
        reason=attempt.reason,
        error=attempt.error,
        signature=signature_id(attempt.error),
        signature_text=signature_text(attempt.error),
        last_lines=attempt.last_lines,
        exit_code=attempt.exit_code,
        site=attempt.site,
        machine=attempt.machine,
        slot=attempt.slot,
        worker=attempt.worker,
        pilot=attempt.pilot,
        failed_at=_failed_at(attempt.failed_at, now),
        took_s=attempt.took_s,
        n_bytes=attempt.n_bytes,
        content_type=attempt.content_type,
        digest=attempt.digest,
        excerpt=attempt.excerpt,
    )


def attempt_of(document: FailedAttemptDocument) -> Attempt:
    """Return a stored attempt in the form for users."""
    return Attempt.model_validate(document.model_dump())


def _failed_at(text: str, now: datetime) -> datetime:
    try:
        at = datetime.fromisoformat(text)
        at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        return now
    return at if abs(at - now) <= _CLOCK_TRUST else now
