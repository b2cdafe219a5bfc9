"""Hand each event from WMS to the object that handles it."""

from runtime.bus.dispatch import DispatchTable
from schemas.events import ControlEvent, TaskforceRelease, TaskforceRemove, TaskforceStart, TaskforceStop
from tms.clusters.start import Starter
from tms.clusters.stop import Stopper


class WmsRequests:
    """The handlers of TMS's inbox. They handle events of different taskforces at the same time."""

    def __init__(self, starter: Starter, stopper: Stopper) -> None:
        self._starter = starter
        self._stopper = stopper

    def build_table(self) -> DispatchTable:
        """Return the handler of each event that a TMS takes. The inbox acknowledges an event after its handler."""
        table = DispatchTable()
        table.add_handler(TaskforceStart, self._start_taskforce)
        table.add_handler(TaskforceRelease, self._release_cluster)
        table.add_handler(TaskforceStop, self._stop_taskforce)
        table.add_handler(TaskforceRemove, self._remove_cluster)
        return table

    async def _start_taskforce(self, order: TaskforceStart, _: ControlEvent) -> None:
        await self._starter.start_taskforce(order)

    async def _release_cluster(self, order: TaskforceRelease, _: ControlEvent) -> None:
        await self._starter.release_cluster(order)

    async def _stop_taskforce(self, order: TaskforceStop, _: ControlEvent) -> None:
        await self._stopper.stop_taskforce(order)

    async def _remove_cluster(self, order: TaskforceRemove, _: ControlEvent) -> None:
        await self._stopper.remove_cluster(order)
