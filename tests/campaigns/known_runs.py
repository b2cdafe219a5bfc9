"""The runs of one database, of which only those that changed are read again."""

from runtime.kernel.store import Store
from schemas.engine.run_documents import RUNS, RunDocument
from schemas.ids import RunId
from wms.engine import repository


class KnownRuns:
    """Reads all runs, again and again."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._runs: dict[RunId, RunDocument] = {}

    async def load_all(self) -> dict[RunId, RunDocument]:
        """Return all runs by id.

        Raises:
            Unavailable: the database does not answer.
        """
        revisions = {one["_id"]: one["rev"] for one in await self._store.find(RUNS, {}, projection={"rev": 1})}
        known = {run_id: run.rev for run_id, run in self._runs.items()}
        if changed := [run_id for run_id, rev in revisions.items() if known.get(run_id) != rev]:
            found = await self._store.find(RUNS, {"_id": {"$in": changed}})
            self._runs |= {run.id: run for run in map(repository.parse_run, found)}
        return dict(self._runs)
