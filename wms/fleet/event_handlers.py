"""Events in: each is one call of the fleet, and takes effect once, by its id.

Each service may say only what is its own to say: a TMS what becomes of the taskforces at its schedd, MQS what becomes
of queues. Whatever else they say goes to the dead letters.
"""

from runtime.telemetry import log
from schemas.errors import Rejected
from schemas.events import (
    Event,
    QueuesActivated,
    QueuesDeferred,
    QueuesDrained,
    ResultsArrived,
    TaskforceCompleted,
    TaskforceRemoved,
    TaskforceRemoveFailed,
    TaskforceStatuses,
    TaskforceSubmitFailed,
    TaskforceSubmitted,
)
from schemas.services import Service
from schemas.topology import tms_service
from wms.fleet.fleet import Fleet, Once
from wms.fleet.status_snapshots import SnapshotWriter


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
                _check_sender(event, tms_service(statuses.schedd))
                # Newest wins by itself: no inbox row, and nothing lost if we die before it is written.
                self._snapshots.offer(statuses)
            case QueuesActivated() | QueuesDeferred() | QueuesDrained() | ResultsArrived() as answer:
                _check_sender(event, Service.MQS)
                await self._fleet.queues_answered(answer, once)
            case (
                TaskforceSubmitted()
                | TaskforceSubmitFailed()
                | TaskforceRemoved()
                | TaskforceRemoveFailed()
                | TaskforceCompleted() as report
            ):
                await self._fleet.reported(report, event.sender, once)
            case other:
                log.warning("event is not for WMS", event_type=other.TYPE)


def _check_sender(event: Event, expected: str) -> None:
    if event.sender != expected:
        raise Rejected(f"{event.sender or 'a nameless sender'} may not say what is for {expected} to say")
