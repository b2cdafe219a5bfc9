"""Does for the trees of some seeds of the crash campaign what people do: launch, approve, cancel."""

import secrets
import time
import uuid
from collections.abc import Sequence

from runtime.kernel.store import Store
from schemas.engine.run_documents import RunDocument
from schemas.engine.runs import RUN_OVER, NodeStatus
from schemas.ids import RunId
from tests.campaigns.engine_plan import PlannedStrikes
from tests.campaigns.known_runs import KnownRuns
from tests.campaigns.struck_process import StruckProcess


class TreeDriver:
    """Gives WMS its commands for the trees of some seeds, and gives them again when WMS dies of them."""

    def __init__(
        self, wms: StruckProcess, store: Store, plans: Sequence[PlannedStrikes], definitions: dict[str, str]
    ) -> None:
        self._runs = KnownRuns(store)
        self._seeds = [_SeedTrees(wms, planned, definitions) for planned in plans]

    async def launch_all(self) -> None:
        """Launch both trees of each seed. Trees of one name run one at a time, so each begins when its turn comes."""
        for seed in self._seeds:
            await seed.launch_all()

    async def load_runs(self) -> dict[RunId, RunDocument]:
        """Return all runs by id."""
        return await self._runs.load_all()

    def find_trees(self, runs: dict[RunId, RunDocument]) -> dict[str, RunDocument]:
        """Return the launched trees by name and seed, as in `release 7`."""
        keys = {run_uuid: key for seed in self._seeds for key, run_uuid in seed.uuids.items()}
        return {keys[run.uuid]: run for run in runs.values() if run.uuid in keys}

    async def bring_on(self, runs: dict[RunId, RunDocument]) -> None:
        """Decide what waits for a decision, and cancel each `leave` when it is time."""
        trees = self.find_trees(runs)
        for seed in self._seeds:
            await seed.bring_on(trees)


class _SeedTrees:
    """The two trees of one seed."""

    def __init__(self, wms: StruckProcess, planned: PlannedStrikes, definitions: dict[str, str]) -> None:
        self._wms = wms
        self._planned = planned
        self._definitions = {f"{name} {planned.seed}": definition for name, definition in definitions.items()}
        self.uuids = {
            key: str(uuid.uuid5(uuid.NAMESPACE_OID, f"{key}/{secrets.token_hex(8)}")) for key in self._definitions
        }
        self._begun_at = time.monotonic()

    async def launch_all(self) -> None:
        """Launch both trees."""
        self._begun_at = time.monotonic()
        for key, definition in self._definitions.items():
            command = {"do": "launch", "name": definition, "uuid": self.uuids[key], "state": {}, "begins": True}
            answer = await self._wms.insist(**command)
            assert answer.startswith("launched"), f"{key}: {answer}"

    async def bring_on(self, trees: dict[str, RunDocument]) -> None:
        """Decide what waits for a decision, and cancel `leave` when it is time."""
        release, leave = (trees[f"{name} {self._planned.seed}"] for name in ("release", "leave"))
        signs = next(state for state in release.nodes if state.key == "sign")
        if signs.status is NodeStatus.WAITING and signs.child_run is not None:
            await self._wms.insist(do="approve", run=signs.child_run)
        since_s = time.monotonic() - self._begun_at
        if leave.want is None and leave.status not in RUN_OVER and since_s > self._planned.cancel_after_s:
            await self._wms.insist(do="cancel", run=leave.id)
