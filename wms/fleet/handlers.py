"""Events in: each is one call of the fleet, and takes effect once, by its id."""

from runtime.telemetry import log
from schemas.events import (
    Event,
    QueuesActivated,
    QueuesDeferred,
    TaskforceCompleted,
    TaskforceRemoved,
    TaskforceRemoveFailed,
    TaskforceStatuses,
    TaskforceSubmitFailed,
    TaskforceSubmitted,
)
from wms.fleet.fleet import Fleet, Once
from wms.fleet.snapshots import SnapshotWriter


class Handlers:
    """What WMS does with the events of its inbox."""

    def __init__(self, fleet: Fleet, snapshots: SnapshotWriter) -> None:
        self._fleet = fleet
        self._snapshots = snapshots

    async def handle(self, event: Event) -> None:
        """Take `event` in; when this returns it has had its effect, and may be acknowledged."""
        once = Once(f"wms:{event.id}")
        match event.data:
            case TaskforceStatuses() as statuses:
                # Newest wins by itself: no inbox row, and nothing lost if we die before it is written.
                self._snapshots.offer(statuses)
            case QueuesActivated() | QueuesDeferred() as answer:
                await self._fleet.queues_answered(answer, once)
            case (
                TaskforceSubmitted()
                | TaskforceSubmitFailed()
                | TaskforceRemoved()
                | TaskforceRemoveFailed()
                | TaskforceCompleted() as report
            ):
                await self._fleet.reported(report, once)
            case other:
                log.warning("event is not for WMS", event_type=other.TYPE)
