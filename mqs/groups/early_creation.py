"""Begin to create a group's queues on the broker while the database still commits their reservation."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from mqs.broker.data_vhost import DataVhost
from schemas.ids import Mqid, WorkflowId


@dataclass(frozen=True, slots=True)
class _Creation:
    mqids: tuple[Mqid, ...]
    task: asyncio.Task[None]

    async def wait(self) -> bool:
        """Wait for the end of this creation. Return whether it has succeeded."""
        await asyncio.wait([self.task])
        return not self.has_failed

    @property
    def has_failed(self) -> bool:
        return _has_failed(self.task)


class EarlyCreations:
    """The creations that have begun, by workflow, until somebody takes them.

    A reservation that is not committed after all leaves queues that nobody may use: the caller deletes them. If MQS
    dies before the commit, the request comes again with the same names. If the request never comes again, the sweep
    deletes them (`mqs.broker.orphans`).
    """

    def __init__(self, broker: DataVhost) -> None:
        self._broker = broker
        self._begun: dict[WorkflowId, _Creation] = {}

    def begin_creation(self, workflow_id: WorkflowId, mqids: Sequence[Mqid]) -> None:
        """Begin to create the queues of a workflow, unless this has begun already."""
        begun = self._begun.get(workflow_id)
        if begun is None or begun.has_failed:
            work = self._broker.declare_queues(workflow_id, mqids)
            task = asyncio.create_task(work, name=f"create the queues of {workflow_id}")
            # Read the error, or asyncio reports it: after a failure, `finish_creation` creates the queues again.
            task.add_done_callback(_has_failed)
            self._begun[workflow_id] = _Creation(tuple(mqids), task)

    async def take_created(self, workflow_id: WorkflowId) -> tuple[Mqid, ...]:
        """Wait for the creation that has begun, and forget it. Return the queues that it may have created.

        Return () if none has begun.
        """
        begun = self._begun.pop(workflow_id, None)
        if begun is None:
            return ()
        await begun.wait()
        return begun.mqids

    async def finish_creation(self, workflow_id: WorkflowId, mqids: Sequence[Mqid]) -> None:
        """Return when the queues of a workflow exist: wait for the creation that has begun, or create them.

        Raises:
            EWMSError: the broker does not answer, or refuses a declaration.
        """
        begun = self._begun.pop(workflow_id, None)
        if begun is None or not await begun.wait():
            await self._broker.declare_queues(workflow_id, mqids)


def _has_failed(task: asyncio.Task[None]) -> bool:
    return task.done() and (task.cancelled() or task.exception() is not None)
