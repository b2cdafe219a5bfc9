"""Answer questions about traced events: the attempts at some events that ended well, and a workflow's families."""

from collections.abc import Sequence

from runtime.kernel.store import Store
from schemas.attempts.documents import DONE_ATTEMPTS
from schemas.attempts.done_history import DoneAttempt, TracedFamiliesAnswer, TracedFamiliesQuery, TracedFamily
from schemas.ids import WorkflowId

#: The most attempts in one answer, and their most bytes, beside the failed ones. The broker refuses 4 MiB.
_MOST_DONE = 400
_MAX_BYTES = 1024 * 1024


async def find_done_attempts(
    store: Store, workflow_id: WorkflowId, event_ids: Sequence[str]
) -> tuple[list[DoneAttempt], bool]:
    """Return the newest attempts at these events that ended well, the newest first, and whether there are more."""
    documents = await store.find(
        DONE_ATTEMPTS,
        {"workflow_id": workflow_id, "event_id": {"$in": list(event_ids)}},
        sort=[("cursor", -1)],
        limit=_MOST_DONE + 1,
        max_time_ms=3000,
    )
    found: list[DoneAttempt] = []
    n_bytes = 0
    for document in documents[:_MOST_DONE]:
        attempt = DoneAttempt.model_validate(document)
        n_bytes += len(attempt.model_dump_json())
        if found and n_bytes > _MAX_BYTES:
            break
        found.append(attempt)
    return found, len(documents) > len(found)


async def find_traced_families(store: Store, query: TracedFamiliesQuery) -> TracedFamiliesAnswer:
    """Return a workflow's families with the newest reports, the newest first."""
    documents = await store.aggregate(
        DONE_ATTEMPTS,
        [
            {"$match": {"workflow_id": query.workflow_id}},
            {
                "$group": {
                    "_id": "$root",
                    # The key is the publisher's, so only the root has one.
                    "key": {"$max": {"$cond": [{"$eq": ["$event_id", "$root"]}, "$key", ""]}},
                    "events": {"$addToSet": "$event_id"},
                    "first_at": {"$min": "$acknowledged_at"},
                    "last_at": {"$max": "$acknowledged_at"},
                }
            },
            {"$set": {"root": "$_id", "n_events": {"$size": "$events"}}},
            {"$unset": ["events"]},
            {"$sort": {"last_at": -1, "_id": 1}},
            {"$limit": query.limit},
        ],
    )
    return TracedFamiliesAnswer(families=[TracedFamily.model_validate(document) for document in documents])
