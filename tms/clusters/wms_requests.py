"""What WMS asks of this TMS, to the one who does it."""

from runtime.telemetry import log
from schemas.events import Event, TaskforceRelease, TaskforceRemove, TaskforceStart, TaskforceStop
from tms.clusters.start import Starter
from tms.clusters.stop import Stopper


class Orders:
    """Takes the events of the inbox. Those of different taskforces are handled at the same time."""

    def __init__(self, starter: Starter, stopper: Stopper) -> None:
        self._starter = starter
        self._stopper = stopper

    async def take(self, event: Event) -> None:
        """Do what `event` asks; it is acknowledged when this returns."""
        match event.data:
            case TaskforceStart() as order:
                await self._starter.start(order)
            case TaskforceRelease() as order:
                await self._starter.release(order)
            case TaskforceStop() as order:
                await self._stopper.stop(order)
            case TaskforceRemove() as order:
                await self._stopper.remove(order)
            case other:
                log.warning("not an order for a TMS", type=other.TYPE)
