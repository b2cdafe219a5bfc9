"""The processes of one seed, WMS and two step workers, and what strikes them and the servers at the seed's points."""

import asyncio
import json
import signal
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Self

from schemas.broker.topology import pool_service
from tests.campaigns.engine_plan import (
    HEARTBEAT_S,
    LONG_STEP,
    PlannedStrikes,
    Strike,
    Victim,
    Way,
)
from tests.campaigns.engine_world import FREEZE_S, Site
from tests.campaigns.struck_process import PointAct, StruckProcess

STEPS = "tests.campaigns.engine_steps"
#: WMS counts a worker as gone that has been silent for two seconds, so one is frozen for longer than that.
_SILENT_S = 6.0
#: Until then the broker must not count it as gone.
_PATIENT_HEARTBEAT_S = 15


class SeedProcesses:
    """WMS, which runs during the block, and two step workers. Only the first of these meets points."""

    def __init__(self, site: Site, planned: PlannedStrikes, diary: Path) -> None:
        self._site = site
        self._planned = planned
        self._diary = diary
        self._stack = AsyncExitStack()
        self._thaws: set[asyncio.Task[None]] = set()
        self.wms = self._make_wms()
        self.workers = [self._make_worker("w1", meets_points=True), self._make_worker("w2", meets_points=False)]

    async def __aenter__(self) -> Self:
        await self._stack.enter_async_context(self.wms)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def start_workers(self) -> None:
        """Start the step workers. They run until the end of the block."""
        for worker in self.workers:
            await self._stack.enter_async_context(worker)

    def list_points_not_met(self) -> list[str]:
        """Return the points of the plan that no process has passed."""
        left = [*self.wms.left, *self.workers[0].left]
        return [f"{point} was not met" for point in left if point != LONG_STEP]

    def _make_wms(self) -> StruckProcess:
        environment = {
            "TEST_MONGO_URL": self._site.mongo_url,
            "TEST_DATABASE": self._site.database,
            "TEST_AMQP_URL": f"{self._site.broker_url('wms')}?heartbeat={HEARTBEAT_S}",
        }
        return self._make_process("tests.campaigns.engine_wms", environment, "wms", self._list_acts(Victim.WMS))

    def _make_worker(self, name: str, *, meets_points: bool) -> StruckProcess:
        at_long_step = self._planned.strike_at_long_step
        heartbeat_s = _PATIENT_HEARTBEAT_S if at_long_step is Strike.FREEZE else HEARTBEAT_S
        environment = {
            "EWMS_CONTROL_AMQP_URL": f"{self._site.broker_url(pool_service('default'))}?heartbeat={heartbeat_s}",
            "EWMS_WORKER_MODULES": json.dumps([STEPS]),
            "EWMS_WORKER_NAME": name,
            "EWMS_WORKER_ALIVE_S": "0.5",
            "DIARY": str(self._diary),
        }
        acts = self._list_acts(Victim.WORKER) if meets_points else {}
        if at_long_step is not None:
            acts[LONG_STEP] = PointAct.KILL if at_long_step is Strike.KILL else PointAct.STOP
        return self._make_process("ewms.worker", environment, name, acts)

    def _make_process(
        self, module: str, environment: dict[str, str], name: str, acts: dict[str, PointAct]
    ) -> StruckProcess:
        log = self._site.directory / f"{name}.log"
        return StruckProcess(
            self._site.world.forks, module, environment, log, points=acts, on_stop=self._strike_at_point
        )

    def _list_acts(self, process: Victim) -> dict[str, PointAct]:
        """Return what `process` does to itself at its points."""
        suicide = Way(Strike.KILL, process)
        return {
            point.name: PointAct.KILL if way == suicide else PointAct.STOP
            for point, way in self._planned.at_points.items()
            if point.process is process
        }

    async def _strike_at_point(self, name: str) -> None:
        """Strike while a process stands still at a point. It goes on when this returns."""
        if name == LONG_STEP:
            await asyncio.sleep(_SILENT_S)
            return
        point, way = next((point, way) for point, way in self._planned.at_points.items() if point.name == name)
        if way.victim is point.process:
            await asyncio.sleep(FREEZE_S[point.process])
        elif way.victim in (Victim.WMS, Victim.WORKER):
            self._strike_process(way)
        else:
            await self._site.world.servers.strike(way.victim, way.strike)

    def _strike_process(self, way: Way) -> None:
        victim = self.wms if way.victim is Victim.WMS else self.workers[0]
        if way.strike is Strike.KILL:
            victim.send_signal(signal.SIGKILL)
            return
        victim.send_signal(signal.SIGSTOP)
        thaw = asyncio.create_task(self._thaw_later(victim, FREEZE_S[way.victim]))
        self._thaws.add(thaw)
        thaw.add_done_callback(self._thaws.discard)

    async def _thaw_later(self, victim: StruckProcess, after_s: float) -> None:
        await asyncio.sleep(after_s)
        victim.send_signal(signal.SIGCONT)
