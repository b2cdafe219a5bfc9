"""Hand each event from WMS to the object that handles it."""

from runtime.bus.dispatch import DispatchTable
from schemas.events import Event, TaskforceRelease, TaskforceRemove, TaskforceStart, TaskforceStop
from tms.clusters.start import Starter
from tms.clusters.stop import Stopper


class Orders:
    """The handlers of TMS's inbox. They handle events of different taskforces at the same time."""

    def __init__(self, starter: Starter, stopper: Stopper) -> None:
        self._starter = starter
        self._stopper = stopper

    def build_table(self) -> DispatchTable:
        """Return the handler of each event that a TMS takes; an event is acknowledged when its handler returns."""
        table = DispatchTable()
        table.add(TaskforceStart, self._start)
        table.add(TaskforceRelease, self._release)
        table.add(TaskforceStop, self._stop)
        table.add(TaskforceRemove, self._remove)
        return table

    async def _start(self, order: TaskforceStart, _: Event) -> None:
        await self._starter.start(order)

    async def _release(self, order: TaskforceRelease, _: Event) -> None:
        await self._starter.release(order)

    async def _stop(self, order: TaskforceStop, _: Event) -> None:
        await self._stopper.stop(order)

    async def _remove(self, order: TaskforceRemove, _: Event) -> None:
        await self._stopper.remove(order)
