"""Start the runs of builders, and bring into the tasks what these runs have done.

    a task is busy ──► the run of its look, or of its build, exists ──► its state and end ──► the task

A task names a run before it exists, so a run that a crash has prevented is launched at the next look. Everything that
is read here is stored; several WMS may do the same at once. Runs that no task names any more are canceled.
"""

from collections.abc import Callable

from runtime.clock import stored_now
from runtime.concurrency.loops import BackgroundLoop
from runtime.failpoints import failpoint
from runtime.kernel.store import Committed
from runtime.telemetry import log
from schemas.automation.builds import (
    BUILD_IMAGE,
    BUILD_LISTS,
    BUILD_POOL,
    FIND_COMMIT,
    TOKEN_KEY,
    BuildLimits,
    BuildOrder,
    make_build_state,
)
from schemas.automation.catalogue import CATALOGUE_TASKS, CatalogueTask, SourceLook, TaskVersion
from schemas.engine.graph import DefinitionKind
from schemas.engine.run_documents import RUNS, RunDocument
from schemas.engine.runs import RUN_OVER, WantKind
from schemas.errors import Conflict, EWMSError, NotFound, Unavailable
from schemas.ids import CatalogueTaskId, RunId, RunUuid
from wms.catalogue.builds.build_keys import TaskKeys
from wms.catalogue.builds.build_orders import make_build_order, make_look_order
from wms.catalogue.life.run_news import RunNews, RunProgress, read_run
from wms.catalogue.life.task_decisions import take_build_news
from wms.catalogue.life.task_looks import note_look_wait, take_commit, take_look_failure
from wms.catalogue.run_names import new_run_uuid
from wms.catalogue.task_store import TaskStore
from wms.engine import repository
from wms.engine.engine import Engine
from wms.engine.life.launching import LaunchWish, make_first_state
from wms.engine.life.open_run import OpenRun, RunDecision
from wms.engine.life.stimuli import Wish

_SWEEP_S = 5.0
#: Changes in this time are looked at together.
_REST_S = 0.05
_NO_BUILDER = f"no builder offers {{!r}} yet: start a step worker of the pool {BUILD_POOL!r}"


class BuildWatch:
    """Follows the runs of builders for the tasks of one database."""

    def __init__(
        self, engine: Engine, tasks: TaskStore, limits: BuildLimits, keys: TaskKeys, *, sweep_s: float = _SWEEP_S
    ) -> None:
        self._keys = keys
        self._engine = engine
        self._tasks = tasks
        self._limits = limits
        engine.on_change.append(self._on_change)
        #: Called with the id of a task that has changed here.
        self.on_news: list[Callable[[CatalogueTaskId], None]] = []
        self._loop = BackgroundLoop(
            self._follow_all, name="builds", failed="builds wait", every_s=sweep_s, rest_s=_REST_S
        )

    def start(self) -> None:
        """Begin to follow. The first runs have ended while no process ran."""
        self._tasks.store.on_commit.append(self._on_commit)
        self._loop.start()

    async def stop(self) -> None:
        """Stop following."""
        self._tasks.store.on_commit.remove(self._on_commit)
        await self._loop.stop()

    def _on_change(self, run: OpenRun, _: RunDecision) -> None:
        if run.facts.kind is DefinitionKind.CATALOGUE:
            self._loop.wake()

    def _on_commit(self, committed: Committed) -> None:
        if any(change.collection == CATALOGUE_TASKS for change in committed.changes):
            self._loop.wake()

    async def _follow_all(self) -> None:
        """Bring every busy task up to date, and cancel the runs that no task needs."""
        # First the runs: a run that exists now was named by its task before.
        runs = await self._list_open_runs()
        for task in await self._tasks.list_tasks({"is_busy": True}, sort=[("_id", 1)]):
            await self._follow_safely(task)
        if runs:
            busy = await self._tasks.list_tasks({"is_busy": True})
            needed = {uuid for task in busy for uuid in list_run_uuids(task)}
            for run_id in [each for uuid, each in runs.items() if uuid not in needed]:
                await self.cancel_run(run_id, "no task needs this run any more")

    async def _list_open_runs(self) -> dict[RunUuid, RunId]:
        query = {
            "kind": DefinitionKind.CATALOGUE.value,
            "definition": {"$in": list(BUILD_LISTS)},
            "status": {"$nin": sorted(RUN_OVER)},
        }
        found = await self._tasks.store.find(RUNS, query, projection={"uuid": 1})
        return {RunUuid(each["uuid"]): RunId(each["_id"]) for each in found}

    async def cancel_run(self, run_id: RunId, why: str) -> None:
        """Cancel a run of a builder. A step that is under way ends first."""
        try:
            await self._engine.apply_stimulus(run_id, Wish(WantKind.CANCEL, why=why))
        except (Conflict, NotFound):
            return  # it is over, or being canceled

    async def _follow_safely(self, task: CatalogueTask) -> None:
        """Follow one task. An error that would come again is logged, so that the others are followed.

        Raises:
            Unavailable: the database is away; the loop tries again.
        """
        try:
            await self._follow(task)
        except Unavailable:
            raise
        except NotFound:
            log.info("a task was deleted while its build went on", task=task.id)
        except Exception as error:  # noqa: BLE001 - one task must not stop the builds of all others
            log.error("the builds of a task are not followed", task=task.id, exc_info=error)

    async def _follow(self, task: CatalogueTask) -> None:
        if task.look is not None:
            order = make_look_order(task, self._limits)
            news = await self._read_news(task, task.look.run, FIND_COMMIT, order, who=task.look.who)
            await self._change(task, self._make_look_end(task.look, news))
        for version in task.versions:
            if version.build is not None:
                await self._follow_build(task, version, version.build.id, version.build.run)

    async def _follow_build(self, task: CatalogueTask, version: TaskVersion, build: str, run: RunUuid) -> None:
        order = make_build_order(task, version, self._limits)
        news = await self._read_news(task, run, BUILD_IMAGE, order, who=version.decided_by)
        await self._change(task, lambda current: take_build_news(current, build, news, stored_now()))

    def _make_look_end(self, look: SourceLook, news: RunNews) -> Callable[[CatalogueTask], CatalogueTask]:
        runs = new_run_uuid(), new_run_uuid()

        def decide(current: CatalogueTask) -> CatalogueTask:
            if current.look is None or current.look.run != look.run:
                return current
            if news.progress is RunProgress.GOES_ON:
                return note_look_wait(current, news.reason)
            if news.progress is RunProgress.ENDED_WELL and news.commit is not None:
                return take_commit(current, news.commit, next_runs=runs, now=stored_now())
            reason = news.reason or "the builder has ended without a commit"
            return take_look_failure(current, reason, next_run=runs[1], now=stored_now())

        return decide

    async def _change(self, task: CatalogueTask, decide: Callable[[CatalogueTask], CatalogueTask]) -> None:
        # Most looks change nothing, and need no transaction.
        if decide(task) == task:
            return
        await self._tasks.change_task(task.id, decide)
        failpoint("catalogue.followed")
        for listener in self.on_news:
            listener(task.id)

    async def _read_news(
        self, task: CatalogueTask, uuid: RunUuid, name: str, order: BuildOrder, *, who: str
    ) -> RunNews:
        """Return how far the run `uuid` is. Launch it if it does not exist."""
        run = await repository.find_run(self._tasks.store, uuid)
        if run is None:
            try:
                run = await self._launch(task, uuid, name, order, who=who)
            except NotFound:
                return RunNews(reason=_NO_BUILDER.format(name))
            except EWMSError as error:
                if isinstance(error, Unavailable):
                    raise
                return RunNews(progress=RunProgress.FAILED, reason=f"the build cannot start: {error.reason}")
        return read_run(run)

    async def _launch(
        self, task: CatalogueTask, uuid: RunUuid, name: str, order: BuildOrder, *, who: str
    ) -> RunDocument:
        # A definition of another pool does not count, though it may have the name: the order holds a token.
        found = await repository.find_definition(self._tasks.store, name, pool=BUILD_POOL)
        if found is None:
            raise NotFound(_NO_BUILDER.format(name))
        digest, definition = found
        token = self._keys.make_report_token(task, order.build) if order.report_path else ""
        own = self._engine.effects.keys.seal_values(make_build_state(order, token), (TOKEN_KEY,))
        wish = LaunchWish(
            who=who,
            state={**make_first_state(definition, uuid, who), **own},
            masked=(TOKEN_KEY,),
            organization=task.organization,
            launch_type="catalogue",
        )
        # As a run of the catalogue it is no process: neither listed nor resumed nor aborted as one.
        found = digest, definition.model_copy(update={"kind": DefinitionKind.CATALOGUE})
        run = await self._engine.launch_run(name, wish, run_uuid=uuid, found=found)
        failpoint("catalogue.launched")
        return run


def list_run_uuids(task: CatalogueTask) -> list[RunUuid]:
    """Return the ids of the runs that `task` waits for."""
    looks = [] if task.look is None else [task.look.run]
    return looks + [version.build.run for version in task.versions if version.build is not None]
