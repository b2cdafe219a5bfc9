"""Decide which queues on the broker belong to no workflow, and when to delete them. (core)

Each of our queues has a profile that is not retired, from the moment after its creation until after it is deleted. A
queue without such a profile is an orphan. There are three reasons for orphans. The database was emptied. MQS died
between the creation and the commit of the profile (`mqs.groups.early_creation`), and the request never came again. Or
an existing message client, which declares its queue whenever it opens a channel, has created the queue again after its
workflow was over. No new token can reach an orphan.
"""

import re
from collections.abc import Mapping, Set
from dataclasses import dataclass
from datetime import datetime, timedelta

from mqs.broker.topology import Deletion
from schemas.broker.topology import POLICY_PATTERN, dead_exchange, dead_queue, event_exchange
from schemas.ids import Mqid, WorkflowId
from schemas.registry import register_collection

_EVENTS = re.compile(POLICY_PATTERN)
_DEAD = dead_queue(WorkflowId(""))


@dataclass(frozen=True, slots=True)
class Patience:
    """The times for which MQS keeps an orphan after it has first seen it."""

    #: For an empty queue.
    empty: timedelta = timedelta(hours=1)
    #: For a queue with events. A copy of the database may bring its profile back.
    full: timedelta = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class OrphanDocument:
    """A queue that belongs to no workflow. `_id` is its name."""

    #: When MQS first saw it without a workflow.
    seen_at: datetime


MQ_ORPHANS = register_collection("MQOrphanColl", OrphanDocument)


@dataclass(frozen=True, slots=True)
class OrphanPlan:
    """The result of a sweep: queues to delete, orphans to remember and orphans to forget."""

    delete: tuple[str, ...] = ()
    remember: tuple[str, ...] = ()
    forget: tuple[str, ...] = ()


def plan_sweep(
    n_events: Mapping[str, int], known: Set[str], seen: Mapping[str, datetime], *, now: datetime, patience: Patience
) -> OrphanPlan:
    """Return the plan for the queues on the broker. `n_events` maps each queue to its number of events.

    `known` queues belong to a workflow. `seen` has the remembered orphans, and when each was first seen.
    """
    orphans = {queue: n for queue, n in n_events.items() if is_ours(queue) and queue not in known}
    delete = tuple(
        queue
        for queue, n in orphans.items()
        if queue in seen and now - seen[queue] >= (patience.full if n else patience.empty)
    )
    remember = tuple(queue for queue in orphans if queue not in seen)
    return OrphanPlan(delete, remember, tuple(queue for queue in seen if queue not in orphans))


def is_ours(queue: str) -> bool:
    """Return whether `queue` is a name that only MQS gives. MQS never touches other queues on the vhost."""
    return bool(_EVENTS.fullmatch(queue)) or queue.startswith(_DEAD)


def orphan_deletion(queues: tuple[str, ...]) -> Deletion:
    """Return the names to delete for orphans: the `queues`, and the exchanges that lead to them."""
    return Deletion(queues, tuple(map(_exchange_of, queues)))


def _exchange_of(queue: str) -> str:
    if queue.startswith(_DEAD):
        return dead_exchange(WorkflowId(queue.removeprefix(_DEAD)))
    return event_exchange(Mqid(queue))
