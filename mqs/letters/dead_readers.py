"""Keep readers of dead queues: one for each workflow whose letters are in use."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from mqs.letters.dead_queue import DeadReader
from runtime.amqp import Connection, ConnectionLost
from runtime.concurrency.turns import Turns
from runtime.telemetry import log
from schemas.broker.topology import dead_queue
from schemas.errors import Unavailable
from schemas.ids import WorkflowId

_MAX_READERS = 6
_LINGER_S = 10.0


class DeadReaders:
    """The open readers, one for each workflow. A reader ends after some seconds without use."""

    def __init__(self, connection: Connection, *, linger_s: float = _LINGER_S) -> None:
        self._connection = connection
        self._linger_s = linger_s
        self._readers: dict[WorkflowId, DeadReader] = {}
        self._n_users: dict[WorkflowId, int] = {}
        self._timers: dict[WorkflowId, asyncio.TimerHandle] = {}
        self._turns = Turns()
        #: Readers that are about to give their letters back.
        self._ending: set[DeadReader] = set()
        #: Dead queue -> the turn of a reader's begin and end, and of a count.
        self._moves = Turns()
        self._closing: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def hold_loan(self, queue: str) -> AsyncIterator[Callable[[], int | None]]:
        """During the block, no reader of a dead queue begins or ends. Yield a function that returns how many letters
        are on loan; None: there is no reader.

        While a reader begins or ends, letters are on their way: neither the broker nor the reader counts them. The same
        holds when a reader loses its loan, so the function then raises ConnectionLost.
        """
        async with self._moves.hold_turn(queue):
            readers = (*self._readers.values(), *self._ending)
            reader = next((one for one in readers if one.queue == queue and not one.is_lost), None)

            def count_loan() -> int | None:
                if reader is None:
                    return None
                if reader.is_lost:
                    raise ConnectionLost("the broker has taken the dead letters back while MQS counted them")
                return reader.n_held

            yield count_loan

    @asynccontextmanager
    async def lend_reader(self, workflow_id: WorkflowId) -> AsyncIterator[DeadReader]:
        """During the block, lend a reader that holds all dead letters of a workflow. Another block for the workflow
        waits.

        Raises:
            NotFound: the workflow has no dead queue.
            Unavailable: the broker does not answer, or too many readers are in use.
        """
        if (timer := self._timers.pop(workflow_id, None)) is not None:
            timer.cancel()
        self._n_users[workflow_id] = self._n_users.get(workflow_id, 0) + 1
        try:
            async with self._turns.hold_turn(workflow_id):
                yield await self._open_reader(workflow_id)
        finally:
            self._n_users[workflow_id] -= 1
            if not self._n_users[workflow_id]:
                del self._n_users[workflow_id]
                loop = asyncio.get_running_loop()
                self._timers[workflow_id] = loop.call_later(self._linger_s, self._end_soon, workflow_id)

    async def _open_reader(self, workflow_id: WorkflowId) -> DeadReader:
        if self._closing:
            # Wait for a reader that is giving its letters back: it is still a consumer, but cannot be used.
            await asyncio.wait(self._closing)
        reader = self._readers.get(workflow_id)
        if reader is not None and not reader.is_lost:
            return reader
        if reader is None:
            await self._make_room()
        # Replace a reader that has lost its loan: the broker has all letters back.
        async with self._moves.hold_turn(dead_queue(workflow_id)):
            reader = self._readers[workflow_id] = DeadReader(self._connection, workflow_id)
            try:
                await reader.open()
            except BaseException:
                del self._readers[workflow_id]
                await reader.close()
                raise
        return reader

    async def close(self) -> None:
        """Give all letters of all readers back."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        await asyncio.gather(*(self._end_reader(workflow_id) for workflow_id in tuple(self._readers)), *self._closing)

    async def _make_room(self) -> None:
        if len(self._readers) < _MAX_READERS:
            return
        idle = next((id_ for id_ in self._timers if id_ in self._readers), None)
        if idle is None:
            raise Unavailable("too many users read dead letters at this moment", hint="try again in some seconds")
        self._timers.pop(idle).cancel()
        await self._end_reader(idle)

    def _end_soon(self, workflow_id: WorkflowId) -> None:
        self._timers.pop(workflow_id, None)
        task = asyncio.get_running_loop().create_task(self._end_reader(workflow_id))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def _end_reader(self, workflow_id: WorkflowId) -> None:
        if (reader := self._readers.pop(workflow_id, None)) is not None:
            n_held = reader.n_held
            self._ending.add(reader)
            try:
                async with self._moves.hold_turn(reader.queue):
                    await reader.close()
            finally:
                self._ending.discard(reader)
            log.debug("dead letters given back", workflow_id=workflow_id, n=n_held)
