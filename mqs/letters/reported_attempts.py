"""Turn a report of an attempt into a document. (core)

User code can write the text of a report. So MQS takes the workflow from the exchange, never from the report.
"""

import hashlib
from datetime import UTC, datetime, timedelta

from pydantic import ValidationError

from schemas.attempts.documents import DoneAttemptDocument, FailedAttemptDocument
from schemas.attempts.done_history import DoneAttempt
from schemas.attempts.done_reports import MAX_REPORT_BYTES
from schemas.attempts.failed_history import Attempt
from schemas.attempts.failed_reports import FailedAttempt
from schemas.attempts.signatures import signature_id, signature_text
from schemas.broker.topology import dead_exchange
from schemas.errors import Rejected
from schemas.ids import WORKFLOW_ID, WorkflowId

_PREFIX = dead_exchange(WorkflowId(""))

#: A worker's clock may be wrong. MQS replaces a date that is further from now than this by its own time.
_CLOCK_TRUST = timedelta(days=1)


def workflow_of_exchange(exchange: str) -> WorkflowId | None:
    """Return the workflow whose pilots alone may publish to `exchange`. Return None if it is not a dead exchange."""
    workflow = exchange.removeprefix(_PREFIX)
    return WorkflowId(workflow) if exchange.startswith(_PREFIX) and WORKFLOW_ID.fullmatch(workflow) else None


def document_id(workflow_id: WorkflowId, attempt: FailedAttempt | DoneAttempt) -> str:
    """Return the id of a report. A repeated report has the same id."""
    event = attempt.event_id
    if isinstance(attempt, FailedAttempt):
        event = event or attempt.digest
    words = (workflow_id, event, attempt.queue, attempt.pilot, f"{attempt.n_replays}.{attempt.attempt}")
    return hashlib.sha256("\0".join(words).encode()).hexdigest()[:32]


def make_cursor(now: datetime, entropy: int) -> str:
    """Return a cursor: cursors ascend in time. 48 bits of `entropy` distinguish those of the same millisecond."""
    return f"{int(now.timestamp() * 1000):012x}{entropy & 0xFFFFFFFFFFFF:012x}"


def document_of(
    workflow_id: WorkflowId, attempt: FailedAttempt, *, now: datetime, entropy: int, retention: timedelta
) -> FailedAttemptDocument:
    """Return the document for `attempt`. `make_cursor` describes `entropy`."""
    return FailedAttemptDocument(
        workflow_id=workflow_id,
        cursor=make_cursor(now, entropy),
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
        failed_at=_read_instant(attempt.failed_at, now) or now,
        took_s=attempt.took_s,
        published_at=_read_instant(attempt.published_at, now),
        taken_at=_read_instant(attempt.taken_at, now),
        root=attempt.root,
        traceparent=attempt.traceparent,
        n_bytes=attempt.n_bytes,
        content_type=attempt.content_type,
        digest=attempt.digest,
        excerpt=attempt.excerpt,
    )


def attempt_of(document: FailedAttemptDocument) -> Attempt:
    """Return a stored attempt in the form for users."""
    return Attempt.model_validate(document.model_dump())


def done_document_of(
    workflow_id: WorkflowId, attempt: DoneAttempt, *, now: datetime, entropy: int, retention: timedelta
) -> DoneAttemptDocument:
    """Return the document for `attempt`, an attempt at a traced event that ended well.

    Raises:
        Rejected: the worker's clock is wrong, so its instants mean nothing.
    """
    if abs(attempt.acknowledged_at - now) > _CLOCK_TRUST:
        raise Rejected(f"its acknowledged_at is {attempt.acknowledged_at.isoformat()}: the worker's clock is wrong")
    return DoneAttemptDocument(
        **attempt.model_dump(exclude={"cursor"}),
        workflow_id=workflow_id,
        cursor=make_cursor(now, entropy),
        expires_at=now + retention,
    )


def read_done_attempt(body: bytes) -> DoneAttempt:
    """Return the attempt in the report `body`. Unknown members are ignored.

    Raises:
        Rejected: `body` is not a report of an attempt at a traced event.
    """
    if len(body) > MAX_REPORT_BYTES:
        raise Rejected(f"a report of a traced event must have at most {MAX_REPORT_BYTES} bytes, and has {len(body)}")
    try:
        return DoneAttempt.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "the report"
        raise Rejected(f"a report of a traced event is wrong: {where}: {first['msg']}") from error


def _read_instant(text: str, now: datetime) -> datetime | None:
    """Return the instant that `text` states. Return None if it states none, or one that is too far from `now`."""
    try:
        at = datetime.fromisoformat(text)
        at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return at if abs(at - now) <= _CLOCK_TRUST else None
