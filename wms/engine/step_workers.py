"""Which step workers are there, what they offer, and what becomes of the nodes of one that is gone.

A worker that dies loses its connection, and the broker gives its steps to another one. The sweep here is for what the
broker does not see: events that a restart of the broker has swallowed, together with the worker that had them.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from runtime.clock import utc_now
from runtime.kernel.store import Store
from runtime.loops import BackgroundLoop
from runtime.telemetry import log
from schemas.events import DefinitionRegistered, StepWorkerAlive
from schemas.ids import DefinitionHash, RunId
from wms.engine import repository

#: A step worker that has said nothing for so long is gone.
SILENCE = timedelta(seconds=60)
_SWEEP_S = 10.0


@dataclass(slots=True)
class StepWorker:
    """A step worker that is there."""

    name: str
    pool: str
    hashes: set[DefinitionHash]
    started_at: datetime
    seen_at: datetime
    n_running: int = 0


class StepWorkers:
    """The step workers, as far as they have told this process."""

    def __init__(self, store: Store, *, silence: timedelta = SILENCE, sweep_s: float = _SWEEP_S) -> None:
        self._store = store
        self._silence = silence
        self._since = utc_now()
        self._workers: dict[str, StepWorker] = {}
        #: Called with a run that has nodes of a worker that is gone, and the worker's name.
        self.on_gone: Callable[[RunId, str], Awaitable[None]] | None = None
        self._loop = BackgroundLoop(
            self._sweep, name="step workers", failed="the sweep of step workers pauses", every_s=sweep_s
        )

    def start(self) -> None:
        """Begin to look for nodes of workers that are gone."""
        self._since = utc_now()
        self._loop.start()

    async def stop(self) -> None:
        """Stop looking."""
        await self._loop.stop()

    async def register(self, registered: DefinitionRegistered) -> None:
        """Keep a definition that a worker offers."""
        now = utc_now()
        await repository.store_definition(self._store, registered.definition, registered.hash, now)
        worker = self._see(registered.worker, registered.definition.pool, now)
        worker.hashes.add(registered.hash)

    def note_alive(self, alive: StepWorkerAlive) -> None:
        """Note that a worker is there, or that it leaves."""
        worker = self._see(alive.worker, alive.pool, utc_now())
        worker.hashes = set(alive.hashes)
        worker.started_at, worker.n_running = alive.started_at, alive.n_running
        if alive.is_leaving:
            del self._workers[alive.worker]

    def _see(self, name: str, pool: str, now: datetime) -> StepWorker:
        worker = self._workers.setdefault(name, StepWorker(name, pool, set(), started_at=now, seen_at=now))
        worker.seen_at = now
        return worker

    def list_alive(self) -> list[StepWorker]:
        """Return the workers that are there, by name."""
        now = utc_now()
        return sorted(
            (worker for worker in self._workers.values() if now - worker.seen_at < self._silence),
            key=lambda worker: worker.name,
        )

    def find_refusal(self, pool: str, digest: DefinitionHash, definition: str) -> str:
        """Return why nobody can call the functions of a definition now; empty: somebody can, or nobody knows yet."""
        if utc_now() - self._since < self._silence:
            return ""
        alive = [worker for worker in self.list_alive() if worker.pool == pool]
        if any(digest in worker.hashes for worker in alive):
            return ""
        if not alive:
            return f"no step worker of the pool {pool!r} is there"
        return f"no step worker of the pool {pool!r} offers {definition!r} as it was when the run was launched"

    async def _sweep(self) -> None:
        now = utc_now()
        self._workers = {name: w for name, w in self._workers.items() if now - w.seen_at < self._silence}
        if now - self._since < self._silence or self.on_gone is None:
            return
        for worker in await repository.find_busy_workers(self._store) - self._workers.keys():
            log.warning("a step worker is gone, its steps go to others", worker=worker)
            for run_id in await repository.find_runs_of_worker(self._store, worker):
                await self.on_gone(run_id, worker)
