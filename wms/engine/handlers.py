"""Handle what step workers say. Only the broker's user of a pool may speak of that pool's nodes and definitions."""

import asyncio
from typing import Any

from runtime.bus.dispatch import DispatchTable
from schemas.errors import Conflict, Rejected
from schemas.events import ControlEvent, DefinitionRegistered, NodeEnded, NodeTaken, StepWorkerAlive
from schemas.ids import NodeKey, RunId
from schemas.runs import NodeError, Outcome
from schemas.topology import pool_service
from wms.engine.engine import Engine
from wms.engine.life.launching import check_definition
from wms.engine.life.open_run import make_error
from wms.engine.step_workers import StepWorkers

#: A step that ends sooner than this is never written down as taken: its end tells as much.
_TAKING_PAUSE_S = 0.5

Fence = tuple[RunId, NodeKey, int]


class EngineHandlers:
    """What WMS does with the events of step workers. When a handler returns, its event has had its effect."""

    def __init__(self, engine: Engine, workers: StepWorkers) -> None:
        self._engine = engine
        self._workers = workers
        #: What was taken a moment ago, and is written down only if it does not end soon.
        self._takings: dict[Fence, NodeTaken] = {}

    def add_to(self, table: DispatchTable) -> None:
        """Add the handlers to WMS's table."""
        table.add_handler(NodeTaken, self._note_taking)
        table.add_handler(NodeEnded, self._record_end)
        table.add_handler(DefinitionRegistered, self._register_definition)
        table.add_handler(StepWorkerAlive, self._note_alive)

    async def _note_taking(self, taken: NodeTaken, event: ControlEvent) -> None:
        await self._check_pool(taken.run, taken.node, event.sender)
        fence = (taken.run, taken.node, taken.attempt)
        if (earlier := self._takings.pop(fence, None)) is not None:
            # The worker that took it first is lost already, and that counts.
            await self._engine.apply_stimulus(earlier.run, earlier)
        self._takings[fence] = taken
        asyncio.get_running_loop().call_later(_TAKING_PAUSE_S, self._record_taking, fence, taken)

    def _record_taking(self, fence: Fence, taken: NodeTaken) -> None:
        if self._takings.get(fence) is taken:
            del self._takings[fence]
            work = self._engine.apply_stimulus(taken.run, taken)
            self._engine.effects.begin_task(work, f"taking of {taken.subject}")

    async def _record_end(self, ended: NodeEnded, event: ControlEvent) -> None:
        self._takings.pop((ended.run, ended.node, ended.attempt), None)
        await self._check_pool(ended.run, ended.node, event.sender)
        if ended.models or ended.events:
            ended = _without_load(ended, make_error("NotSupported", "this version stores no models or events of steps"))
        try:
            await self._engine.apply_stimulus(ended.run, ended)
        except Conflict:
            raise
        except Rejected as error:
            # What the step brings cannot be stored. The node must not hang for it.
            failure = make_error("NotStorable", error.reason)
            await self._engine.apply_stimulus(ended.run, _without_load(ended, failure))

    async def _check_pool(self, run_id: RunId, node: NodeKey, sender: str) -> None:
        run = (await self._engine.load_run(run_id)).run
        number = run.find_node(node)
        pool = (run.facts.graph.nodes[number].pool if number is not None else "") or run.facts.pool
        _check_sender(sender, pool)

    async def _register_definition(self, registered: DefinitionRegistered, event: ControlEvent) -> None:
        _check_sender(event.sender, registered.definition.pool)
        check_definition(registered.definition)
        await self._workers.register(registered)

    async def _note_alive(self, alive: StepWorkerAlive, event: ControlEvent) -> None:
        _check_sender(event.sender, alive.pool)
        await self._workers.note_alive(alive)


def _without_load(ended: NodeEnded, error: NodeError) -> NodeEnded:
    """Return `ended` as a failure that brings nothing."""
    nothing: dict[str, Any] = {"delta": {}, "removed": (), "artifacts": {}, "children": (), "models": (), "events": ()}
    return ended.model_copy(update={"outcome": Outcome.FAILED, "error": error, **nothing})


def _check_sender(sender: str, pool: str) -> None:
    if sender != pool_service(pool):
        raise Rejected(f"{sender or 'a nameless sender'} may not speak for the pool {pool!r}")
