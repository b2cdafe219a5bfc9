"""Wake the streams that follow a run when any WMS process has changed the run."""

from runtime.concurrency.loops import BackgroundLoop
from runtime.kernel.changes import open_changes
from runtime.kernel.store import Store
from runtime.web.news.wakeups import Ticket, Wakeups
from schemas.engine.run_documents import RUNS
from schemas.ids import RunId

#: Without news from the database a stream looks for itself after this time.
LOOK_S = 5.0


class RunWatch:
    """Watches the runs that somebody follows."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._wakeups = Wakeups()
        self._loop = BackgroundLoop(
            self._watch_runs, name="changes of runs", failed="streams of runs are late", every_s=LOOK_S
        )

    def start(self) -> None:
        """Begin to watch for runs that change."""
        self._loop.start()

    async def stop(self) -> None:
        """Stop watching."""
        await self._loop.stop()

    def take_ticket(self, run_id: RunId) -> Ticket:
        """Return what wakes its holder when the run changes."""
        ticket = self._wakeups.take_ticket(run_id)
        self._loop.wake()
        return ticket

    async def _watch_runs(self) -> None:
        """Wake the streams of runs that change. Return when no client follows a run.

        Each commit of a run is a change, and reading it costs WMS and the database as much as a small commit.
        """
        if not self._wakeups.n_keys:
            return
        async with open_changes(self._store, RUNS) as changes:
            self._wakeups.wake_all()  # for what has changed before the first change that is read here
            while self._wakeups.n_keys:
                change = await changes.read_next()
                if change is not None:
                    self._wakeups.wake(change.id)
