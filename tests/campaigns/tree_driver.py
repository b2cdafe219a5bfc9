"""Does for the trees of one seed of the crash campaign what people do: launch, approve, cancel."""

import asyncio
import secrets
import time
import uuid
from contextlib import suppress

from runtime.kernel.store import Store
from schemas.engine.run_documents import RUNS, RunDocument
from schemas.engine.runs import RUN_OVER, NodeStatus
from schemas.errors import Unavailable
from schemas.ids import RunId
from tests.campaigns.engine_plan import PlannedStrikes
from tests.campaigns.struck_process import StruckProcess
from wms.engine import repository

#: The pause between two tries of a launch, in seconds.
_PAUSE_S = 0.1


class TreeDriver:
    """Gives WMS its commands, and gives them again when WMS dies of them."""

    def __init__(self, wms: StruckProcess, store: Store, planned: PlannedStrikes, definitions: dict[str, str]) -> None:
        self._wms = wms
        self._store = store
        self._planned = planned
        self._definitions = definitions
        self._uuids = {
            name: str(uuid.uuid5(uuid.NAMESPACE_OID, f"{name}/{secrets.token_hex(8)}")) for name in definitions
        }
        self._begun_at = time.monotonic()

    async def launch_all(self) -> None:
        """Launch both trees. Each runs alone, so it begins when its turn comes."""
        self._begun_at = time.monotonic()
        for name, definition in self._definitions.items():
            while not await self._launch(name, definition):
                await asyncio.sleep(_PAUSE_S)

    async def _launch(self, name: str, definition: str) -> bool:
        """Launch a tree. Return False if the answer was that to an earlier command, which came late."""
        command = {"do": "launch", "name": definition, "uuid": self._uuids[name], "state": {}, "begins": True}
        answer = await self._wms.insist(**command)
        if not answer.startswith("launched"):
            return False
        found = None
        while found is None:
            with suppress(Unavailable):
                found = await self._store.find(RUNS, {"_id": int(answer.split()[1])}, projection={"uuid": 1})
        assert found, f"{answer}: an answered launch is lost"
        return bool(found[0]["uuid"] == self._uuids[name])

    async def load_runs(self) -> dict[RunId, RunDocument]:
        """Return all runs by id."""
        return {run.id: run for run in map(repository.parse_run, await self._store.find(RUNS, {}))}

    def find_trees(self, runs: dict[RunId, RunDocument]) -> dict[str, RunDocument]:
        """Return the launched trees by name."""
        names = {each: name for name, each in self._uuids.items()}
        return {names[run.uuid]: run for run in runs.values() if run.uuid in names}

    async def bring_on(self, runs: dict[RunId, RunDocument]) -> None:
        """Decide what waits for a decision, and cancel `leave` when it is time."""
        trees = self.find_trees(runs)
        signs = next(state for state in trees["release"].nodes if state.key == "sign")
        if signs.status is NodeStatus.WAITING and signs.child_run is not None:
            await self._wms.insist(do="approve", run=signs.child_run)
        leave, since_s = trees["leave"], time.monotonic() - self._begun_at
        if leave.want is None and leave.status not in RUN_OVER and since_s > self._planned.cancel_after_s:
            await self._wms.insist(do="cancel", run=leave.id)
