"""Mark a group of queues as replaying, so that its workflow does not end while a replay may be under way.

`mqs.end_watch` finds out what has happened to replays that the broker has not confirmed.
"""

from datetime import timedelta
from typing import Any

from mqs.groups import repository
from mqs.groups.repository import StoredGroup
from runtime.clock import utc_now
from runtime.kernel.store import Decision, Store, Transaction, Update
from runtime.telemetry import log
from schemas.errors import Conflict, EWMSError, NotFound
from schemas.fleet.queue_documents import MQ_GROUPS, GroupState, MQGroupDocument
from schemas.ids import WorkflowId

#: How long a group stays marked as replaying. This is longer than one order takes.
_REPLAYING = timedelta(seconds=60)

_NO_WORKFLOW = "no queues of such a workflow"


class ReplayMarks:
    """Sets and removes the marks of replays at the groups of workflows."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def begin_replay(self, workflow_id: WorkflowId) -> frozenset[str]:
        """Mark the workflow as replaying, so that it does not end meanwhile. Return the ids of its input queues.

        Raises:
            NotFound, Conflict: there is no such workflow, or it is over.
        """
        queues: frozenset[str] = frozenset()

        async def step(tx: Transaction) -> Decision:
            nonlocal queues
            found = await repository.find_group(tx, workflow_id)
            group = _require_open_group(found)
            queues = frozenset(p.mqid for p in found.profiles if p.is_input and p.retired_at is None)
            mark = {"replaying_until": utc_now() + _REPLAYING, "has_unconfirmed_replays": True}
            return Decision((Update(MQ_GROUPS, workflow_id, set=mark, rev=group.rev),))

        await self._store.transact(step)
        return queues

    async def end_replay(self, workflow_id: WorkflowId, *, is_settled: bool) -> None:
        """Remove the mark of replaying, and if `is_settled` also the mark of unconfirmed replays."""

        async def step(tx: Transaction) -> Decision:
            group = (await repository.find_group(tx, workflow_id)).group
            if group is None or group.replaying_until is None:
                return Decision()
            mark: dict[str, Any] = {"replaying_until": None}
            if is_settled:
                mark["has_unconfirmed_replays"] = False
            return Decision((Update(MQ_GROUPS, workflow_id, set=mark, rev=group.rev),))

        try:
            await self._store.transact(step)
        except EWMSError as error:
            log.info(
                "the mark of a replay stays until the broker has confirmed the replay",
                workflow_id=workflow_id,
                reason=error.reason,
            )

    async def check_is_open(self, workflow_id: WorkflowId) -> None:
        """Check that MQS may replay letters into the workflow.

        Raises:
            NotFound, Conflict: there is no such workflow, or it is over.
        """
        _require_open_group(await repository.find_group(self._store, workflow_id))

    async def has_dead_queue(self, workflow_id: WorkflowId) -> bool:
        """Return whether the workflow has a dead queue, as MQS has recorded it. This does not ask the broker.

        Raises:
            NotFound: the workflow does not exist.
        """
        group = (await repository.find_group(self._store, workflow_id)).group
        if group is None:
            raise NotFound(_NO_WORKFLOW)
        return group.activated_at is not None and group.state is not GroupState.RETIRED


def _require_open_group(found: StoredGroup) -> MQGroupDocument:
    """Return the group.

    Raises:
        NotFound: the workflow has no active queues.
        Conflict: the workflow is over.
    """
    if found.group is None or found.group.activated_at is None:
        raise NotFound(_NO_WORKFLOW)
    if found.group.state is not GroupState.ACTIVE or found.group.drained_at is not None:
        raise Conflict(
            "the workflow is over: no task would take the events",
            hint="export its dead letters, and publish them to a new workflow",
        )
    return found.group
