"""Which step workers are there, what they offer, and what becomes of the nodes of one that is gone.

Each event of a worker reaches one WMS process only, so what workers say is stored, and every process reads it.

A worker that dies loses its connection, and the broker gives its steps to another one. The sweep here is for what the
broker does not see: events that a restart of the broker has swallowed, together with the worker that had them.
"""

from collections.abc import Awaitable, Callable
from datetime import timedelta

from runtime.clock import utc_now
from runtime.kernel.store import Store
from runtime.loops import BackgroundLoop
from runtime.telemetry import log
from schemas.events import DefinitionRegistered, StepWorkerAlive
from schemas.ids import DefinitionHash, RunId
from schemas.run_documents import StepWorkerDocument
from wms.engine import repository

#: A step worker that has said nothing for so long is gone.
SILENCE = timedelta(seconds=60)
_SWEEP_S = 10.0


class StepWorkers:
    """The step workers that are there."""

    def __init__(self, store: Store, *, silence: timedelta = SILENCE, sweep_s: float = _SWEEP_S) -> None:
        self._store = store
        self._silence = silence
        self._since = utc_now()
        self._workers: dict[str, StepWorkerDocument] = {}
        #: Called with a run that has nodes of a worker that is gone, and the worker's name.
        self.on_gone: Callable[[RunId, str], Awaitable[None]] | None = None
        self._loop = BackgroundLoop(
            self._sweep_workers, name="step workers", failed="the sweep of step workers pauses", every_s=sweep_s
        )

    def start(self) -> None:
        """Begin to look for workers, and for nodes of workers that are gone."""
        self._since = utc_now()
        self._loop.start()

    async def stop(self) -> None:
        """Stop looking."""
        await self._loop.stop()

    async def register(self, registered: DefinitionRegistered) -> None:
        """Keep a definition that a worker offers."""
        now, definition = utc_now(), registered.definition
        await repository.store_definition(self._store, definition, registered.hash, now)
        known = self._workers.get(registered.worker)
        hashes = {registered.hash, *(known.hashes if known is not None else ())}
        await self._keep_worker(
            StepWorkerDocument(
                name=registered.worker,
                pool=definition.pool,
                hashes=tuple(sorted(hashes)),
                started_at=known.started_at if known is not None else now,
                seen_at=now,
            )
        )

    async def note_alive(self, alive: StepWorkerAlive) -> None:
        """Note that a worker is there, or that it leaves."""
        if alive.is_leaving:
            self._workers.pop(alive.worker, None)
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

    async def _keep_worker(self, worker: StepWorkerDocument) -> None:
        self._workers[worker.name] = worker
        await repository.store_step_worker(self._store, worker)

    def list_alive(self) -> list[StepWorkerDocument]:
        """Return the workers that are there, by name."""
        since = utc_now() - self._silence
        return sorted(
            (worker for worker in self._workers.values() if worker.seen_at >= since), key=lambda worker: worker.name
        )

    def find_refusal(self, pool: str, digest: DefinitionHash, definition: str) -> str:
        """Return why nobody can call the functions of a definition now; empty: somebody can, or nobody knows yet.

        For a while after its start this process does not know whether workers are silent or have not been heard yet.
        """
        if utc_now() - self._since < self._silence:
            return ""
        alive = [worker for worker in self.list_alive() if worker.pool == pool]
        if any(digest in worker.hashes for worker in alive):
            return ""
        if not alive:
            return f"no step worker of the pool {pool!r} is there"
        return f"no step worker of the pool {pool!r} offers {definition!r} as it was when the run was launched"

    async def _sweep_workers(self) -> None:
        now = utc_now()
        stored = await repository.load_step_workers(self._store, now - self._silence)
        self._workers = {worker.name: worker for worker in stored}
        if now - self._since < self._silence or self.on_gone is None:
            return
        for worker in sorted(await repository.find_busy_workers(self._store) - self._workers.keys()):
            log.warning("a step worker is gone, its steps go to others", worker=worker)
            for run_id in await repository.find_runs_of_worker(self._store, worker):
                await self.on_gone(run_id, worker)
