"""Does for the runs of one seed what people and outside systems do: launch, answer, cancel, resume."""

import secrets
import time
import uuid
from collections.abc import Iterator, Sequence

from runtime.kernel.store import Store
from schemas.engine.run_documents import RunDocument
from schemas.engine.runs import RUN_OVER, NodeStatus, RunStatus
from schemas.ids import RunUuid
from tests.campaigns.engine_plan import PlannedStrikes
from tests.campaigns.known_runs import KnownRuns
from tests.campaigns.struck_process import StruckProcess

#: The runs that are launched. Some have children.
NAMES = ("walk", "nest", "leave", "leaf")
#: What somebody notes about the walk.
NOTE = "the campaign watches it"
#: The progress that the outside system reports before it answers the callback.
HALF = {"done": 50}


class Driver:
    """Gives WMS its commands for the runs of some seeds, and gives them again when WMS dies of them."""

    def __init__(self, wms: StruckProcess, store: Store, plans: Sequence[PlannedStrikes]) -> None:
        self._runs = KnownRuns(store)
        self._seeds = [_SeedRuns(wms, planned) for planned in plans]
        self._names = {run_uuid: name for seed in self._seeds for run_uuid, name in seed.list_names()}

    async def launch_all(self, *, before_workers: bool) -> None:
        """Launch the four runs of each seed whose step workers start only after that, or of each other seed."""
        for seed in self._seeds:
            if seed.planned.workers_are_late is before_workers:
                await seed.launch_all()

    async def load_runs(self) -> dict[str, RunDocument]:
        """Return the runs that there are, by name and seed, as in `walk 7`; children too."""
        runs = (await self._runs.load_all()).values()
        return {self._names.get(run.uuid, f"child {run.definition} {run.id}"): run for run in runs}

    async def bring_on(self, runs: dict[str, RunDocument]) -> None:
        """Do what somebody outside would do next."""
        for seed in self._seeds:
            await seed.bring_on(runs)


class _SeedRuns:
    """The runs of one seed."""

    def __init__(self, wms: StruckProcess, planned: PlannedStrikes) -> None:
        self.planned = planned
        self._wms = wms
        self._order = f"order-{planned.seed}"
        self._uuids = {
            name: RunUuid(str(uuid.uuid5(uuid.NAMESPACE_OID, f"{name}/{planned.seed}/{secrets.token_hex(4)}")))
            for name in NAMES
        }
        self._begun_at = time.monotonic()
        self._is_delivered = False

    def list_names(self) -> Iterator[tuple[RunUuid, str]]:
        """Return the id of each run that is launched, and its name with the seed."""
        return ((run_uuid, self._name(name)) for name, run_uuid in self._uuids.items())

    def _name(self, name: str) -> str:
        return f"{name} {self.planned.seed}"

    async def launch_all(self) -> None:
        """Launch the four runs."""
        self._begun_at = time.monotonic()
        for name, run_uuid in self._uuids.items():
            state = {"n": 0, "order_id": self._order} if name != "leaf" else {}
            if name == "nest":
                state = {"n": 1}
            command = {"do": "launch", "name": name, "uuid": run_uuid, "state": state, "begins": name != "leaf"}
            answer = await self._wms.insist(**command)
            assert answer.startswith("launched"), f"{self._name(name)}: {answer}"

    async def bring_on(self, runs: dict[str, RunDocument]) -> None:
        """Do what somebody outside would do next."""
        since_s = time.monotonic() - self._begun_at
        leave = runs.get(self._name("leave"))
        if leave and leave.want is None and leave.status not in RUN_OVER and since_s > self.planned.cancel_after_s:
            await self._wms.insist(do="cancel", run=leave.id)
        if (leaf := runs.get(self._name("leaf"))) and leaf.status is RunStatus.CREATED:
            if "n" not in leaf.state:
                await self._wms.insist(do="put", run=leaf.id, values={"n": 1})
            else:
                await self._wms.insist(do="begin", run=leaf.id)
        if walk := runs.get(self._name("walk")):
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
        if not self._is_delivered and (self.planned.seed % 2 or states["Delivery"].status is NodeStatus.WAITING):
            await self._send("delivered")
            self._is_delivered = True
        if walk.status is RunStatus.HALTED:
            if states["Late"].status is NodeStatus.HALTED:
                await self._send("late")
            await self._wms.insist(do="resume", run=walk.id)

    async def _send(self, name: str) -> None:
        await self._wms.insist(do="event", name=name, correlation=self._order, id=f"{name}-{self._order}")
