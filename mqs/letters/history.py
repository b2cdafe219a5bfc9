"""Answer questions about failures: a workflow's stored attempts, one by one or by task and error signature."""

from typing import Any

from mqs.letters.reported_attempts import attempt_of
from mqs.letters.traced_families import find_done_attempts
from runtime.kernel.store import Store
from schemas.attempts.documents import FAILED_ATTEMPTS, FailedAttemptDocument
from schemas.attempts.done_history import DoneAttempt
from schemas.attempts.failed_history import (
    MAX_ERROR_GROUPS,
    Attempt,
    AttemptsAnswer,
    AttemptsQuery,
    ErrorGroup,
    ErrorGroupsAnswer,
    ErrorGroupsQuery,
)

#: The most bytes in one answer. The broker refuses a message of 4 MiB.
_MAX_BYTES = 1024 * 1024
_MAX_EXAMPLE = 500


async def find_failed_attempts(store: Store, query: AttemptsQuery) -> AttemptsAnswer:
    """Return a page of the failed attempts that match `query`, the newest first, and where the next page begins.

    If the query asks for it, the answer also has the attempts at its events that ended well.
    """
    wanted: dict[str, Any] = {"workflow_id": query.workflow_id}
    for name in ("event_id", "task_id", "signature"):
        if (value := getattr(query, name)) is not None:
            wanted[name] = value
    if query.event_ids is not None:
        wanted["event_id"] = {"$in": query.event_ids}
    if query.before is not None:
        wanted["cursor"] = {"$lt": query.before}
    documents = await store.find(
        FAILED_ATTEMPTS, wanted, sort=[("cursor", -1)], limit=query.limit + 1, max_time_ms=3000
    )
    attempts: list[Attempt] = []
    n_bytes = 0
    for document in documents[: query.limit]:
        attempt = attempt_of(FailedAttemptDocument.model_validate(document))
        n_bytes += len(attempt.model_dump_json())
        if attempts and n_bytes > _MAX_BYTES:
            break
        attempts.append(attempt)
    has_more = len(documents) > len(attempts)
    done: list[DoneAttempt] = []
    is_done_cut = False
    if query.with_done and query.event_ids is not None:
        done, is_done_cut = await find_done_attempts(store, query.workflow_id, query.event_ids)
    next_before = attempts[-1].cursor if has_more and attempts else None
    return AttemptsAnswer(attempts=attempts, next_before=next_before, done=done, is_done_cut=is_done_cut)


async def find_error_groups(store: Store, query: ErrorGroupsQuery) -> ErrorGroupsAnswer:
    """Return the errors of a workflow by task and signature, the most frequent first."""
    documents = await store.aggregate(
        FAILED_ATTEMPTS,
        [
            {"$match": {"workflow_id": query.workflow_id}},
            {"$sort": {"workflow_id": 1, "cursor": 1}},
            {
                "$group": {
                    "_id": {"task_id": "$task_id", "signature": "$signature"},
                    "text": {"$last": "$signature_text"},
                    "example": {"$last": "$error"},
                    "event_id": {"$last": "$event_id"},
                    "n_attempts": {"$sum": 1},
                    # An older MQS stored attempts without the mark.
                    "n_uncounted": {"$sum": {"$cond": [{"$eq": ["$counts", False]}, 1, 0]}},
                    "events": {"$addToSet": {"$cond": [{"$eq": ["$event_id", ""]}, "$digest", "$event_id"]}},
                    "machines": {"$addToSet": "$machine"},
                    "first_at": {"$min": "$failed_at"},
                    "last_at": {"$max": "$failed_at"},
                }
            },
            {"$set": {"n_events": {"$size": "$events"}, "n_machines": {"$size": "$machines"}}},
            {"$unset": ["events", "machines"]},
            {"$sort": {"n_attempts": -1, "_id": 1}},
            {"$limit": MAX_ERROR_GROUPS},
        ],
    )
    return ErrorGroupsAnswer(
        groups=[ErrorGroup.model_validate({**d, **d["_id"], "example": d["example"][:_MAX_EXAMPLE]}) for d in documents]
    )
