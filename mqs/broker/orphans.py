"""Decide which queues on the broker belong to no workflow, and when to delete them. (core)

Each of our queues has a profile that is not retired, from before the queue is created until after it is deleted. A
queue can be without one for two reasons. Somebody emptied the database. Or an existing message client, which declares
its queue whenever it opens a channel, created the queue again after its workflow was over. No new token can reach
either.
"""

import re
from collections.abc import Mapping, Set
from dataclasses import dataclass
from datetime import datetime, timedelta

from mqs.broker.topology import Deletion
from schemas.ids import Mqid, WorkflowId
from schemas.topology import POLICY_PATTERN, dead_exchange, dead_queue, event_exchange

_EVENTS = re.compile(POLICY_PATTERN)
_DEAD = dead_queue(WorkflowId(""))


@dataclass(frozen=True, slots=True)
class Patience:
    """How long MQS leaves a queue without a profile alone, after it first saw it so."""

    #: When nothing is in it.
    empty: timedelta = timedelta(hours=1)
    #: When events are in it: the profile may come back, from a copy of the database.
    full: timedelta = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class OrphanPlan:
    """What to do after a look at the broker: queues to delete, orphans to remember and orphans to forget."""

    delete: tuple[str, ...] = ()
    remember: tuple[str, ...] = ()
    forget: tuple[str, ...] = ()


def plan_sweep(
    n_events: Mapping[str, int], known: Set[str], seen: Mapping[str, datetime], *, now: datetime, patience: Patience
) -> OrphanPlan:
    """Return what to do about the queues on the broker, given how many events each holds.

    `known` queues belong to a workflow; `seen` are the remembered orphans, and when each was first seen.
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
    """Return whether only MQS gives names such as `queue`. All other queues on the vhost belong to somebody else."""
    return bool(_EVENTS.fullmatch(queue)) or queue.startswith(_DEAD)


def orphan_deletion(queues: tuple[str, ...]) -> Deletion:
    """Return what to delete for orphans: the `queues`, and the exchanges that lead to them."""
    return Deletion(queues, tuple(map(_exchange_of, queues)))


def _exchange_of(queue: str) -> str:
    if queue.startswith(_DEAD):
        return dead_exchange(WorkflowId(queue.removeprefix(_DEAD)))
    return event_exchange(Mqid(queue))
