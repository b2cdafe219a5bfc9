"""Let one run of a template go on at a time, where the template does not allow several. The others wait: "pending".

    tree_turns   {_id: template, run: the run whose turn it is, or null}

A run takes its turn by a compare-and-set of that document, and then begins. Several WMS processes may try at once. If
one dies in between, the sweep finds a turn whose run has not begun, or is over.
"""

import asyncio
from contextlib import suppress

from runtime.concurrency.loops import BackgroundLoop
from runtime.failpoints import failpoint
from runtime.kernel.store import Store
from runtime.telemetry import log
from schemas.automation.trees import TREE_TURNS
from schemas.engine.graph import DefinitionKind
from schemas.engine.run_documents import RUNS
from schemas.engine.runs import RUN_OVER, RunStatus
from schemas.errors import Conflict, EWMSError, NotFound
from schemas.ids import RunId, TemplateId
from wms.engine import repository
from wms.engine.engine import Engine
from wms.engine.life.open_run import OpenRun, RunDecision
from wms.engine.life.stimuli import Begin
from wms.trees.graphs.tree_definitions import find_template_id, name_definition

_SWEEP_S = 10.0


class TreeTurns:
    """Begins the runs that wait for an earlier run of their template."""

    def __init__(self, engine: Engine, store: Store, *, sweep_s: float = _SWEEP_S) -> None:
        self._engine = engine
        self._store = store
        self._trying: dict[TemplateId, asyncio.Lock] = {}
        engine.on_launch.append(self._on_launch)
        engine.on_change.append(self._on_change)
        self._loop = BackgroundLoop(
            self.sweep, name="tree turns", failed="the sweep of waiting trees pauses", every_s=sweep_s
        )

    def start(self) -> None:
        """Begin to look for turns that a crash has left."""
        self._loop.start()

    async def stop(self) -> None:
        """Stop looking."""
        await self._loop.stop()

    def _on_launch(self, run: OpenRun) -> None:
        if run.facts.kind is DefinitionKind.TEMPLATE and run.facts.status is RunStatus.CREATED:
            self._give_soon(run)

    def _on_change(self, run: OpenRun, decision: RunDecision) -> None:
        if run.facts.kind is DefinitionKind.TEMPLATE and not run.facts.graph.is_leaf and decision.ends_run:
            self._give_soon(run)

    def _give_soon(self, run: OpenRun) -> None:
        template = find_template_id(run.facts.definition)
        if template is not None:
            self._engine.effects.begin_task(self.give_turn(template), f"turn of template {template}")

    async def sweep(self) -> None:
        """Give every turn for which a run waits. A turn that cannot be given does not keep the others waiting."""
        waiting = {"kind": DefinitionKind.TEMPLATE.value, "status": RunStatus.CREATED.value}
        for name in await self._store.distinct(RUNS, "definition", waiting):
            if (template := find_template_id(name)) is not None:
                await self._give_safely(template)

    async def _give_safely(self, template: TemplateId) -> None:
        try:
            await self.give_turn(template)
        except EWMSError as error:
            log.warning("a run waits longer for its turn", template=template, reason=error.reason)
        except Exception as error:  # noqa: BLE001 - one template must not stop the turns of all others
            log.error("a run waits longer for its turn", template=template, exc_info=error)

    async def give_turn(self, template: TemplateId) -> None:
        """If no run of `template` goes on, begin the one that has waited longest."""
        async with self._trying.setdefault(template, asyncio.Lock()):
            while await self._give_once(template):
                pass

    async def _give_once(self, template: TemplateId) -> bool:
        """Return whether the turn has moved on, so that somebody must look again."""
        name = name_definition(template)
        found = await self._store.find_one(TREE_TURNS, {"_id": template})
        holder = None if found is None or found.get("run") is None else RunId(found["run"])
        if holder is not None:
            run = await repository.load_run(self._store, holder)
            if run is not None and run.status not in RUN_OVER:
                if run.status is RunStatus.CREATED:
                    await self._begin_run(holder)
                return False
        going_on = {"definition": name, "status": {"$nin": [*RUN_OVER, RunStatus.CREATED]}}
        if await self._store.find_one(RUNS, going_on, projection={"_id": 1}) is not None:
            return False
        waiting = {"definition": name, "status": RunStatus.CREATED.value}
        first = await self._store.find(RUNS, waiting, sort=[("_id", 1)], limit=1, projection={"_id": 1})
        if not first:
            return False
        following = RunId(first[0]["_id"])
        if found is None:
            await self._store.insert_new(TREE_TURNS, [{"_id": template, "run": None}])
        if not await self._store.compare_and_set(
            TREE_TURNS, {"_id": template, "run": holder}, {"$set": {"run": following}}
        ):
            return True
        failpoint("trees.turn")
        await self._begin_run(following)
        return False

    async def _begin_run(self, run_id: RunId) -> None:
        # It may have begun already, or somebody has canceled or deleted it.
        with suppress(Conflict, NotFound):
            await self._engine.apply_stimulus(run_id, Begin())
