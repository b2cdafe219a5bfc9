"""Handle the events of step workers. Only a pool's own broker user may report on its nodes and definitions."""

import asyncio
from collections.abc import Collection
from typing import Any

from runtime.bus.dispatch import DispatchTable
from runtime.telemetry import histogram
from schemas.broker.topology import pool_service
from schemas.engine.runs import NodeError, Outcome
from schemas.errors import Conflict, Rejected
from schemas.events import (
    ControlEvent,
    DefinitionRegistered,
    NodeEnded,
    NodeReturned,
    NodeTaken,
    ReturnReason,
    StepWorkerAlive,
)
from schemas.ids import NodeKey, RunId
from wms.encryption import SecretKeys
from wms.engine.brought import StepRefused
from wms.engine.engine import Engine
from wms.engine.life.launching import check_definition, check_reserved_name
from wms.engine.life.open_run import OpenRun, make_error
from wms.engine.life.stimuli import Unserved
from wms.engine.step_workers import StepWorkers

#: WMS records that a step was taken only if the step does not end within this time. An earlier end says as much.
_TAKING_PAUSE_S = 0.5

_step_seconds = histogram(
    "steps_seconds",
    "Time that a worker took for a step, by how the step ended.",
    ["pool", "outcome"],
    buckets=(0.01, 0.05, 0.25, 1, 5, 30, 120, 600, 3600, 21600),
)

Fence = tuple[RunId, NodeKey, int]


class EngineHandlers:
    """The handlers of step workers' events. When a handler returns, the effect of its event is stored."""

    def __init__(self, engine: Engine, workers: StepWorkers) -> None:
        self._engine = engine
        self._workers = workers
        #: Steps that a worker took a moment ago. WMS records a taking only if the step does not end soon.
        self._takings: dict[Fence, NodeTaken] = {}

    def add_to(self, table: DispatchTable) -> None:
        """Add the handlers to WMS's table."""
        table.add_handler(NodeTaken, self._note_taking)
        table.add_handler(NodeReturned, self._take_back)
        table.add_handler(NodeEnded, self._record_end)
        table.add_handler(DefinitionRegistered, self._register_definition)
        table.add_handler(StepWorkerAlive, self._note_alive)

    async def _note_taking(self, taken: NodeTaken, event: ControlEvent) -> None:
        await self._check_pool(taken.run, taken.node, event.sender)
        fence = (taken.run, taken.node, taken.attempt)
        self._takings[fence] = taken
        asyncio.get_running_loop().call_later(_TAKING_PAUSE_S, self._record_taking, fence, taken)

    def _record_taking(self, fence: Fence, taken: NodeTaken) -> None:
        if self._takings.get(fence) is taken:
            del self._takings[fence]
            work = self._engine.apply_stimulus(taken.run, taken)
            self._engine.effects.begin_task(work, f"taking of {taken.subject}")

    async def _take_back(self, returned: NodeReturned, event: ControlEvent) -> None:
        run, pool = await self._check_pool(returned.run, returned.node, event.sender)
        self._takings.pop((returned.run, returned.node, returned.attempt), None)
        if returned.reason is not ReturnReason.NOT_OFFERED:
            await self._engine.apply_stimulus(returned.run, returned)
            return
        digest, name = run.facts.definition_hash, run.facts.definition
        why, again_after = self._workers.judge_return(pool, digest, name, worker=returned.worker)
        unserved = Unserved(returned.node, returned.attempt, why, again_after=again_after)
        await self._engine.apply_stimulus(returned.run, unserved)

    async def _record_end(self, ended: NodeEnded, event: ControlEvent) -> None:
        self._takings.pop((ended.run, ended.node, ended.attempt), None)
        run, pool = await self._check_pool(ended.run, ended.node, event.sender)
        took_s = (ended.ended_at - ended.started_at).total_seconds()
        _step_seconds.labels(pool, ended.outcome.value).observe(max(0.0, took_s))
        ended = seal_end(ended, run.facts.masked, self._engine.effects.keys)
        try:
            await self._engine.apply_stimulus(ended.run, ended)
        except Conflict:
            raise
        except Rejected as error:
            # The engine cannot store what the step returned. The node must not wait for ever, so it fails.
            error_class = error.error_class if isinstance(error, StepRefused) else "NotStorable"
            failure = make_error(error_class, error.reason)
            await self._engine.apply_stimulus(ended.run, _without_load(ended, failure))

    async def _check_pool(self, run_id: RunId, node: NodeKey, sender: str) -> tuple[OpenRun, str]:
        run = (await self._engine.load_run(run_id)).run
        number = run.find_node(node)
        pool = run.facts.pool if number is None else run.pool_of(number)
        check_sender(sender, pool)
        return run, pool

    async def _register_definition(self, registered: DefinitionRegistered, event: ControlEvent) -> None:
        check_sender(event.sender, registered.definition.pool)
        check_definition(registered.definition)
        check_reserved_name(registered.definition)
        await self._workers.register(registered)

    async def _note_alive(self, alive: StepWorkerAlive, event: ControlEvent) -> None:
        check_sender(event.sender, alive.pool)
        await self._workers.note_alive(alive)


def _without_load(ended: NodeEnded, error: NodeError) -> NodeEnded:
    """Return `ended` as a failure with `error`, without any changes."""
    nothing: dict[str, Any] = {"delta": {}, "removed": (), "artifacts": {}, "children": (), "models": (), "events": ()}
    nothing["subscriptions"] = ()
    return ended.model_copy(update={"outcome": Outcome.FAILED, "error": error, **nothing})


def seal_end(ended: NodeEnded, masked: Collection[str], keys: SecretKeys) -> NodeEnded:
    """Return what a step leaves, with the secrets called `masked` as they may be stored."""
    if not masked:
        return ended
    parts = {"delta": ended.delta, "artifacts": ended.artifacts}
    return ended.model_copy(update={name: keys.seal_values(values, masked) for name, values in parts.items()})


def check_sender(sender: str, pool: str) -> None:
    """Check that the broker user `sender` belongs to the pool.

    Raises:
        Rejected: it is another user.
    """
    if sender != pool_service(pool):
        raise Rejected(f"{sender or 'a nameless sender'} may not report for the pool {pool!r}")
