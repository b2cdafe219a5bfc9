"""Does for the runs of one seed what people and outside systems do: launch, answer, cancel, resume."""

import secrets
import time
import uuid

from runtime.kernel.store import Store
from schemas.engine.run_documents import RUNS, RunDocument
from schemas.engine.runs import RUN_OVER, NodeStatus, RunStatus
from schemas.ids import RunUuid
from tests.campaigns.engine_plan import PlannedStrikes
from tests.campaigns.struck_process import StruckProcess
from wms.engine import repository

#: The runs that are launched. Some have children.
NAMES = ("walk", "nest", "leave", "leaf")
#: What somebody notes about the walk.
NOTE = "the campaign watches it"
#: The progress that the outside system reports before it answers the callback.
HALF = {"done": 50}


class Driver:
    """Gives WMS its commands, and gives them again when WMS dies of them."""

    def __init__(self, wms: StruckProcess, store: Store, planned: PlannedStrikes) -> None:
        self._wms = wms
        self._store = store
        self._planned = planned
        self._order = f"order-{planned.seed}"
        self._uuids = {
            name: RunUuid(str(uuid.uuid5(uuid.NAMESPACE_OID, f"{name}/{planned.seed}/{secrets.token_hex(4)}")))
            for name in NAMES
        }
        self._names = {run_uuid: name for name, run_uuid in self._uuids.items()}
        self._runs: dict[int, RunDocument] = {}
        self._begun_at = time.monotonic()
        self._is_delivered = False

    async def launch_all(self) -> None:
        """Launch the four runs."""
        self._begun_at = time.monotonic()
        for name, run_uuid in self._uuids.items():
            state = {"n": 0, "order_id": self._order} if name != "leaf" else {}
            if name == "nest":
                state = {"n": 1}
            await self._wms.insist(do="launch", name=name, uuid=run_uuid, state=state, begins=name != "leaf")

    async def load_runs(self) -> dict[str, RunDocument]:
        """Return the runs that there are, by name; children too."""
        revisions = {one["_id"]: one["rev"] for one in await self._store.find(RUNS, {}, projection={"rev": 1})}
        known = {run_id: run.rev for run_id, run in self._runs.items()}
        changed = [run_id for run_id, rev in revisions.items() if known.get(run_id) != rev]
        if changed:
            found = await self._store.find(RUNS, {"_id": {"$in": changed}})
            self._runs |= {run.id: run for run in map(repository.parse_run, found)}
        return {self._names.get(run.uuid, f"child {run.definition} {run.id}"): run for run in self._runs.values()}

    async def bring_on(self, runs: dict[str, RunDocument]) -> None:
        """Do what somebody outside would do next."""
        since_s = time.monotonic() - self._begun_at
        leave = runs.get("leave")
        if leave and leave.want is None and leave.status not in RUN_OVER and since_s > self._planned.cancel_after_s:
            await self._wms.insist(do="cancel", run=leave.id)
        if (leaf := runs.get("leaf")) and leaf.status is RunStatus.CREATED:
            if "n" not in leaf.state:
                await self._wms.insist(do="put", run=leaf.id, values={"n": 1})
            else:
                await self._wms.insist(do="begin", run=leaf.id)
        if walk := runs.get("walk"):
            await self._bring_walk_on(walk)

    async def _bring_walk_on(self, walk: RunDocument) -> None:
        states = {node.name: state for node, state in zip(walk.graph.nodes, walk.nodes, strict=True)}
        call = states["Call"]
        if call.status is NodeStatus.WAITING and call.wait is not None:
            token = str(walk.state["route"]).rpartition("/")[2]
            if call.wait.progress is None:
                await self._wms.insist(do="progress", run=walk.id, node=call.key, token=token, progress=HALF)
            else:
                await self._wms.insist(do="answer", run=walk.id, node=call.key, token=token)
        if not walk.note:
            await self._wms.insist(do="note", run=walk.id, note=NOTE)
        # Every other seed sends the event before anybody waits for it.
        if not self._is_delivered and (self._planned.seed % 2 or states["Delivery"].status is NodeStatus.WAITING):
            await self._send("delivered")
            self._is_delivered = True
        if walk.status is RunStatus.HALTED:
            if states["Late"].status is NodeStatus.HALTED:
                await self._send("late")
            await self._wms.insist(do="resume", run=walk.id)

    async def _send(self, name: str) -> None:
        await self._wms.insist(do="event", name=name, correlation=self._order, id=f"{name}-{self._order}")
