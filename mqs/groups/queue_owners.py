"""Find the owners of queues, users and sites, and what each of them has on the broker."""

from collections import Counter
from collections.abc import Iterable, Mapping

from mqs.broker.owner_shares import OwnerShare
from runtime.kernel.database import Reader
from runtime.kernel.store import Store
from schemas.broker.topology import dead_queue
from schemas.fleet.queue_documents import MQ_GROUPS, MQ_PROFILES, GroupState, MQGroupDocument
from schemas.ids import Mqid, WorkflowId

_DEAD = dead_queue(WorkflowId(""))

#: Prefix of a site's name among owners. No token's subject begins with a line end.
_SITE = "\nsite "


async def count_queues_of_owners(reader: Reader, owners: Iterable[str]) -> dict[str, int]:
    """Count in the database how many queues each of `owners` (see `owner_of`) has. Return owner -> number."""
    n_queues = dict.fromkeys(owners, 0)
    sites = [owner.removeprefix(_SITE) for owner in n_queues if owner.startswith(_SITE)]
    users = [owner for owner in n_queues if not owner.startswith(_SITE)]
    of_users, of_sites = {"owner": {"$in": users}}, {"owner": "", "site": {"$in": sites}}
    documents = await reader.find(
        MQ_GROUPS,
        {
            "$or": [of_users, of_sites],
            "state": {"$ne": GroupState.RETIRED.value},
            "admitted_at": {"$ne": None},
        },
        # An owner may have thousands of groups, and every request makes this query.
        projection={"owner": 1, "site": 1, "n_queues": 1},
    )
    for group in documents:
        owner = _owner_name(group.get("owner", ""), group.get("site", ""))
        if owner in n_queues:
            n_queues[owner] += group.get("n_queues", 0)
    return n_queues


async def find_owner_shares(store: Store, bytes_of: Mapping[str, int]) -> dict[str, OwnerShare]:
    """Return how many bytes and which queues each owner has. Leave out owners without bytes.

    The keys of `bytes_of` are queues.
    """
    groups = await store.find(
        MQ_GROUPS,
        {"state": {"$in": [GroupState.ACTIVE.value, GroupState.RETIRING.value]}},
        projection={"owner": 1, "site": 1, "workflow_id": 1, "timestamp": 1},
    )
    owners = {group["_id"]: owner_of(MQGroupDocument.model_validate(group)) for group in groups}
    profiles = await store.find(MQ_PROFILES, {"retired_at": None, "is_activated": True}, projection={"workflow_id": 1})
    n_bytes: Counter[str] = Counter()
    mqids: dict[str, list[Mqid]] = {}
    for queue, workflow_id in (
        *((profile["_id"], profile["workflow_id"]) for profile in profiles),
        *((dead_queue(workflow_id), workflow_id) for workflow_id in owners),
    ):
        if (owner := owners.get(workflow_id)) is not None:
            n_bytes[owner] += bytes_of.get(queue, 0)
            if not queue.startswith(_DEAD):
                mqids.setdefault(owner, []).append(Mqid(queue))
    return {owner: OwnerShare(n, tuple(mqids.get(owner, ()))) for owner, n in n_bytes.items() if n}


def owner_of(group: MQGroupDocument) -> str:
    """Return the owner of the queues of `group`: a user or a site."""
    return _owner_name(group.owner, group.site)


def _owner_name(owner: str, site: str) -> str:
    return owner or f"{_SITE}{site}"
