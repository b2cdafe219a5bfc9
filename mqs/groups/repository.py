"""Read and write MQS's documents: groups with their profiles, and the ledger of the queues in use.

MQGroupColl    {_id: <workflow id>, rev, wake_at, state, ...}     the root: every change counts `rev` up
MQProfileColl  {_id: <mqid>, workflow_id, position, ...}
MQLedgerColl   {_id: "queues", rev, n_queues}                     moves in the same transaction as the groups
MQOrphanColl   {_id: <queue>, seen_at}                            queues on the broker that belong to no workflow
FailedAttemptColl  {_id, workflow_id, cursor, expires_at, ...}    reports of pilots, the newest of each workflow
MQTrafficColl  {_id: <mqid>, seen_at, before, now, n_gone, ...}   what has gone through a queue (`mqs.broker.traffic`)
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pydantic import BaseModel

from mqs.broker.orphans import MQ_ORPHANS, OrphanPlan
from mqs.broker.traffic import MQ_TRAFFIC
from mqs.groups.lifecycle import GroupDecision, count_held
from runtime.kernel.database import Reader
from runtime.kernel.decision import Change, Decision, Delete, Insert, Update
from runtime.kernel.store import Index, Store
from schemas.attempts.documents import DONE_ATTEMPTS, FAILED_ATTEMPTS, LETTER_ORDERS
from schemas.broker.topology import dead_queue
from schemas.fleet.queue_documents import (
    MQ_GROUPS,
    MQ_KEYS,
    MQ_LEDGER,
    MQ_PROFILES,
    GroupState,
    LedgerDocument,
    MQGroupDocument,
    MQProfileDocument,
)
from schemas.ids import Mqid, WorkflowId
from schemas.registry import Collection

INDEXES: Mapping[str, Sequence[Index]] = {
    MQ_GROUPS: [
        Index(("workflow_id",), unique=True),
        Index(("wake_at",), partial={"wake_at": {"$type": "date"}}),
        Index(("state", "admitted_at")),
        Index(("owner", "state")),
        Index(("is_ending",), partial={"is_ending": True}),
    ],
    MQ_PROFILES: [
        Index(("mqid",), unique=True),
        Index(("workflow_id", "position")),
        Index(("retired_at",)),
    ],
    FAILED_ATTEMPTS: [
        Index(("workflow_id", "cursor")),
        Index(("workflow_id", "event_id")),
        Index(("expires_at",), expire_after=timedelta()),
    ],
    DONE_ATTEMPTS: [
        Index(("workflow_id", "cursor")),
        Index(("workflow_id", "event_id")),
        Index(("expires_at",), expire_after=timedelta()),
    ],
    LETTER_ORDERS: [Index(("workflow_id", "at")), Index(("at",), expire_after=timedelta(days=365))],
    MQ_TRAFFIC: [Index(("seen_at",), expire_after=timedelta(days=30))],
    # A key is deleted once no token that it signed can be valid any more.
    MQ_KEYS: [Index(("expires_at",), expire_after=timedelta())],
}

_LEDGER_ID = "queues"

#: The groups that wait for the budget to admit them.
_WAITING: dict[str, Any] = {"state": GroupState.RESERVED.value, "admitted_at": None, "unasked": {"$ne": True}}

#: The most documents that one transaction writes, if we can choose the number.
_MOST_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class StoredGroup:
    """A workflow's group, with its profiles in the order of the reservation. `group` is None if there is no group."""

    group: MQGroupDocument | None
    profiles: tuple[MQProfileDocument, ...] = ()


async def find_group(reader: Reader, workflow_id: WorkflowId) -> StoredGroup:
    """Return the group of `workflow_id`, and its profiles."""
    document = await reader.find_one(MQ_GROUPS, {"_id": workflow_id})
    return await _add_profiles(reader, None if document is None else MQGroupDocument.model_validate(document))


async def _add_profiles(reader: Reader, group: MQGroupDocument | None) -> StoredGroup:
    if group is None:
        return StoredGroup(None)
    profiles = await reader.find(MQ_PROFILES, {"workflow_id": group.workflow_id}, sort=[("position", 1)])
    return StoredGroup(group, tuple(map(MQProfileDocument.model_validate, profiles)))


async def find_profile(reader: Reader, mqid: Mqid) -> MQProfileDocument | None:
    """Return the profile of one queue. Return None if there is no such queue."""
    document = await reader.find_one(MQ_PROFILES, {"_id": mqid})
    return None if document is None else MQProfileDocument.model_validate(document)


async def find_profiles(reader: Reader, mqids: Sequence[Mqid]) -> dict[Mqid, MQProfileDocument]:
    """Return the profiles of `mqids` in this order. Unknown queues are left out."""
    documents = await reader.find(MQ_PROFILES, {"_id": {"$in": list(mqids)}})
    found = {profile.mqid: profile for profile in map(MQProfileDocument.model_validate, documents)}
    return {mqid: found[mqid] for mqid in mqids if mqid in found}


async def find_over(reader: Reader, workflow_ids: Iterable[WorkflowId]) -> set[WorkflowId]:
    """Return the ids among `workflow_ids` whose queues were deleted or never requested."""
    asked = set(workflow_ids)
    there = {"_id": {"$in": sorted(asked)}, "state": {"$ne": GroupState.RETIRED.value}}
    return asked - {WorkflowId(one["_id"]) for one in await reader.find(MQ_GROUPS, there)}


async def find_waiting(reader: Reader) -> list[MQGroupDocument]:
    """Return the groups that wait for the budget to admit them."""
    documents = await reader.find(MQ_GROUPS, _WAITING)
    return [MQGroupDocument.model_validate(document) for document in documents]


async def find_contest(reader: Reader, workflow_id: WorkflowId) -> tuple[StoredGroup, list[MQGroupDocument]]:
    """Return the group of `workflow_id` with its profiles, and the other groups that wait for the budget."""
    documents = await reader.find(MQ_GROUPS, {"$or": [{"_id": workflow_id}, _WAITING]})
    groups = {WorkflowId(document["_id"]): MQGroupDocument.model_validate(document) for document in documents}
    group = groups.pop(workflow_id, None)
    return await _add_profiles(reader, group), list(groups.values())


async def find_ending(reader: Reader) -> list[MQGroupDocument]:
    """Return the groups whose queues MQS watches until their workflow ends by itself."""
    documents = await reader.find(MQ_GROUPS, {"is_ending": True, "state": GroupState.ACTIVE.value})
    return [MQGroupDocument.model_validate(document) for document in documents]


async def find_retiring(reader: Reader) -> dict[WorkflowId, MQGroupDocument]:
    """Return by workflow the groups whose workflow is over and whose queues still exist."""
    documents = await reader.find(MQ_GROUPS, {"state": GroupState.RETIRING.value})
    return {WorkflowId(document["_id"]): MQGroupDocument.model_validate(document) for document in documents}


async def find_unfinished(reader: Reader) -> list[WorkflowId]:
    """Return the ids of the workflows whose groups are changing from one state to the next."""
    states = [GroupState.RESERVED.value, GroupState.RETIRING.value]
    # An active group always has a time for its next look, unless an earlier version has written it.
    unwatched = {"state": GroupState.ACTIVE.value, "wake_at": None}
    documents = await reader.find(MQ_GROUPS, {"$or": [{"state": {"$in": states}}, unwatched]})
    return [WorkflowId(document["_id"]) for document in documents]


async def count_queues_held(reader: Reader) -> int:
    """Count the queues of all groups in the database, and return the number."""
    documents = await reader.find(MQ_GROUPS, {"state": {"$ne": GroupState.RETIRED.value}, "admitted_at": {"$ne": None}})
    return sum(count_held(MQGroupDocument.model_validate(document)) for document in documents)


async def load_ledger(reader: Reader) -> LedgerDocument | None:
    """Return the ledger. Return None if MQS has never admitted a queue."""
    document = await reader.find_one(MQ_LEDGER, {"_id": _LEDGER_ID})
    return None if document is None else LedgerDocument.model_validate(document)


async def find_known_queues(store: Store) -> set[str]:
    """Return the names of the queues that may be on the broker, the dead queues included."""
    profiles = await store.find(MQ_PROFILES, {"retired_at": None}, projection={"_id": 1})
    groups = await store.find(MQ_GROUPS, {"state": {"$ne": GroupState.RETIRED.value}}, projection={"_id": 1})
    return {profile["_id"] for profile in profiles} | {dead_queue(WorkflowId(group["_id"])) for group in groups}


async def find_orphans(reader: Reader) -> dict[str, datetime]:
    """Return the queues that belong to no workflow: queue -> the time when MQS first saw it."""
    return {orphan["_id"]: orphan["seen_at"] for orphan in await reader.find(MQ_ORPHANS, {})}


async def find_workflows_with_queues(reader: Reader) -> list[WorkflowId]:
    """Return the ids of the workflows that have queues on the broker, as MQS has recorded it."""
    states = [GroupState.ACTIVE.value, GroupState.RETIRING.value]
    documents = await reader.find(MQ_GROUPS, {"state": {"$in": states}, "activated_at": {"$ne": None}})
    return [WorkflowId(document["_id"]) for document in documents]


async def trim_attempts(store: Store, collection: Collection, workflow_id: WorkflowId, *, n_kept: int) -> int:
    """Delete all attempts of a workflow in `collection` but the newest `n_kept`. Return how many were deleted."""
    last = await store.find(
        collection,
        {"workflow_id": workflow_id},
        sort=[("cursor", -1)],
        skip=n_kept,
        limit=1,
        projection={"cursor": 1},
    )
    if not last:
        return 0
    older = {"workflow_id": workflow_id, "cursor": {"$lte": last[0]["cursor"]}}
    return await store.delete_matching(collection, older)


def orphan_changes(sweep: OrphanPlan, now: datetime) -> tuple[Change, ...]:
    """Return the changes that record the orphans of `sweep`: at most `_MOST_AT_ONCE`, the rest in the next sweep."""
    return (
        *(Insert(MQ_ORPHANS, {"_id": name, "seen_at": now}) for name in sweep.remember[:_MOST_AT_ONCE]),
        *(Delete(MQ_ORPHANS, name) for name in sweep.forget[:_MOST_AT_ONCE]),
    )


def group_changes(before: StoredGroup, outcome: GroupDecision) -> tuple[Change, ...]:
    """Return the changes that write `outcome` over the group and the profiles in `before`."""
    made: list[Change] = []
    after = outcome.group
    if after is not None and before.group is None:
        made.append(Insert(MQ_GROUPS, {"_id": after.workflow_id, **after.model_dump()}))
    elif after is not None and before.group is not None:
        made.append(
            Update(MQ_GROUPS, after.workflow_id, set=_changed_fields(before.group, after), rev=before.group.rev)
        )
    known = {profile.mqid: profile for profile in before.profiles}
    for profile in outcome.profiles:
        if profile.mqid in known:
            made.append(Update(MQ_PROFILES, profile.mqid, set=_changed_fields(known[profile.mqid], profile)))
        else:
            made.append(Insert(MQ_PROFILES, {"_id": profile.mqid, **profile.model_dump()}))
    return tuple(made)


def apply_outcome(before: StoredGroup, outcome: GroupDecision) -> StoredGroup:
    """Return the group and the profiles that are stored after `group_changes` of the same arguments."""
    group = outcome.group
    if group is not None and before.group is not None:
        group = group.model_copy(update={"rev": before.group.rev + 1})
    profiles = {profile.mqid: profile for profile in (*before.profiles, *outcome.profiles)}
    return StoredGroup(group or before.group, tuple(profiles.values()))


def ledger_changes(book: LedgerDocument | None, n_more: int) -> tuple[Change, ...]:
    """Return the changes that add `n_more` queues to the ledger. Return () if `n_more` is 0."""
    if not n_more:
        return ()
    return (_set_ledger(book, (book.n_queues if book else 0) + n_more),)


def balance_ledger(book: LedgerDocument | None, n_queues: int) -> Decision:
    """Return the decision that sets the ledger to `n_queues`."""
    if (book.n_queues if book else 0) == n_queues:
        return Decision()
    return Decision((_set_ledger(book, n_queues),))


def count_more_held(pairs: Iterable[tuple[MQGroupDocument | None, GroupDecision]]) -> int:
    """Return by how many queues the decisions raise the use of the budget. The number is negative if they release
    queues.
    """
    return sum(count_held(outcome.group) - count_held(before) for before, outcome in pairs if outcome.group is not None)


def _set_ledger(book: LedgerDocument | None, n_queues: int) -> Change:
    # The count must not fall below 0, even if the database was emptied.
    n_queues = max(n_queues, 0)
    if book is None:
        return Insert(MQ_LEDGER, {"_id": _LEDGER_ID, "rev": 0, "n_queues": n_queues})
    return Update(MQ_LEDGER, _LEDGER_ID, set={"n_queues": n_queues}, rev=book.rev)


def _changed_fields(before: BaseModel, after: BaseModel) -> dict[str, Any]:
    old, new = before.model_dump(), after.model_dump()
    return {name: value for name, value in new.items() if name != "rev" and value != old[name]}
