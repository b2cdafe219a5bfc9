"""Track the step workers and their definitions, and send the steps of a lost worker to other workers.

Each event of a worker reaches only one WMS process. So that process stores the event, and every process reads it.

If a worker dies, its connection ends, and the broker gives its steps to another worker. The loop here finds what the
broker cannot: steps whose orders were lost in a restart of the broker, and whose worker died with it.
"""

from collections.abc import Awaitable, Callable
from datetime import timedelta

from runtime.clock import utc_now
from runtime.concurrency.loops import BackgroundLoop
from runtime.kernel.store import Store
from runtime.telemetry import log
from schemas.engine.run_documents import StepWorkerDocument
from schemas.events import DefinitionRegistered, StepWorkerAlive
from schemas.ids import DefinitionHash, RunId
from wms.engine import repository
from wms.engine.life.stimuli import UNSERVED_PAUSE

#: A step worker that has reported nothing for this long counts as gone.
SILENCE = timedelta(seconds=60)
#: So many times within that it looks for those that are gone.
_SWEEPS = 6
#: A step that came to a worker without its definition is sent again after this time, if another worker has that.
_OTHERS_TURN = timedelta(seconds=0.5)
#: The same while WMS has just started and cannot know yet which worker has the definition.
_UNKNOWN_PAUSE = timedelta(seconds=5)


class StepWorkers:
    """The step workers that have reported lately."""

    def __init__(self, store: Store, *, silence: timedelta = SILENCE) -> None:
        self._store = store
        self._silence = silence
        self._since = utc_now()
        self._workers: dict[str, StepWorkerDocument] = {}
        #: Called with a run that has nodes of a worker that is gone, and the worker's name.
        self.on_gone: Callable[[RunId, str], Awaitable[None]] | None = None
        #: Called when a worker has come to a pool, with each run whose nodes waited there for one.
        self.on_came: Callable[[RunId, str], Awaitable[None]] | None = None
        #: What each worker offered when its runs were sought.
        self._welcomed: dict[str, tuple[DefinitionHash, ...]] = {}
        self._loop = BackgroundLoop(
            self._sweep_workers,
            name="step workers",
            failed="the sweep of step workers pauses",
            every_s=silence.total_seconds() / _SWEEPS,
        )

    def start(self) -> None:
        """Start to read the workers' reports, and to look for the nodes of lost workers."""
        self._since = utc_now()
        self._loop.start()

    async def stop(self) -> None:
        """Stop looking."""
        await self._loop.stop()

    async def register(self, registered: DefinitionRegistered) -> None:
        """Store that a worker offers a definition, and then the definition. A reader that finds the definition can so
        find its worker, too.
        """
        now, definition = utc_now(), registered.definition
        known = self._workers.get(registered.worker)
        hashes = {registered.hash, *(known.hashes if known is not None else ())}
        worker = StepWorkerDocument(
            name=registered.worker,
            pool=definition.pool,
            hashes=tuple(sorted(hashes)),
            started_at=known.started_at if known is not None else now,
            seen_at=now,
        )
        self._workers[worker.name] = worker
        await repository.add_worker_hash(self._store, worker, registered.hash)
        await repository.store_definition(self._store, definition, registered.hash, now)

    async def note_alive(self, alive: StepWorkerAlive) -> None:
        """Record that a worker runs, or that it ends."""
        if alive.is_leaving:
            self._workers.pop(alive.worker, None)
            self._welcomed.pop(alive.worker, None)
            await repository.remove_step_worker(self._store, alive.worker)
            return
        await self._keep_worker(
            StepWorkerDocument(
                name=alive.worker,
                pool=alive.pool,
                hashes=alive.hashes,
                n_running=alive.n_running,
                started_at=alive.started_at,
                seen_at=utc_now(),
            )
        )
        if self._welcomed.get(alive.worker) != alive.hashes and self.on_came is not None:
            for run_id in await repository.find_unserved_runs(self._store):
                await self.on_came(run_id, alive.pool)
            self._welcomed[alive.worker] = alive.hashes

    async def _keep_worker(self, worker: StepWorkerDocument) -> None:
        self._workers[worker.name] = worker
        await repository.store_step_worker(self._store, worker)

    def list_alive(self) -> list[StepWorkerDocument]:
        """Return the workers that have reported lately, in the order of their names."""
        since = utc_now() - self._silence
        return sorted(
            (worker for worker in self._workers.values() if worker.seen_at >= since), key=lambda worker: worker.name
        )

    def find_refusal(self, pool: str, digest: DefinitionHash, definition: str) -> str:
        """Return why no step worker can call the functions of a definition now. Return "" if one can, or if that is not
        known yet.

        For a minute after its start, this process cannot tell a lost worker from one that has not reported yet.
        """
        if utc_now() - self._since < self._silence:
            return ""
        alive = [worker for worker in self.list_alive() if worker.pool == pool]
        if any(digest in worker.hashes for worker in alive):
            return ""
        if not alive:
            return f"no step worker of the pool {pool!r} is there"
        return f"no step worker of the pool {pool!r} offers {definition!r} as it was when the run was launched"

    def judge_return(self, pool: str, digest: DefinitionHash, definition: str, *, worker: str) -> tuple[str, timedelta]:
        """A worker has returned a step whose definition it does not offer. Return the reason, and the pause before the
        next order.
        """
        refusal = self.find_refusal(pool, digest, definition)
        if refusal:
            return refusal, UNSERVED_PAUSE
        why = f"the step worker {worker} does not offer {definition!r} as it was when the run was launched"
        is_offered = any(one.pool == pool and digest in one.hashes for one in self.list_alive())
        return why, _OTHERS_TURN if is_offered else _UNKNOWN_PAUSE

    async def _sweep_workers(self) -> None:
        now = utc_now()
        stored = await repository.load_step_workers(self._store, now - self._silence)
        self._workers = {worker.name: worker for worker in stored}
        self._welcomed = {name: hashes for name, hashes in self._welcomed.items() if name in self._workers}
        if now - self._since < self._silence or self.on_gone is None:
            return
        for worker in sorted(await repository.find_busy_workers(self._store) - self._workers.keys()):
            log.warning("a step worker is gone, its steps go to others", worker=worker)
            for run_id in await repository.find_runs_of_worker(self._store, worker):
                await self.on_gone(run_id, worker)
