"""Handle incoming events. Each event is one call of the fleet, and its id makes it take effect only once.

Each service may report only on what it owns: a TMS on the taskforces at its schedd, MQS on queues. Any other report
goes to the dead letters.
"""

from runtime.bus.dispatch import DispatchTable
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
from wms.fleet.life.stimuli import QueueReport, Report
from wms.fleet.status_snapshots import SnapshotWriter


class Handlers:
    """What WMS does with the events of its inbox. When a handler returns, its event has had its effect."""

    def __init__(self, fleet: Fleet, snapshots: SnapshotWriter) -> None:
        self._fleet = fleet
        self._snapshots = snapshots

    def build_table(self) -> DispatchTable:
        """Return the handler of each event that WMS takes."""
        table = DispatchTable()
        table.add(TaskforceStatuses, self._offer_statuses)
        table.add(QueuesActivated, self._record_queues_answer)
        table.add(QueuesDeferred, self._record_queues_answer)
        table.add(QueuesDrained, self._record_queues_answer)
        table.add(ResultsArrived, self._record_queues_answer)
        table.add(TaskforceSubmitted, self._record_report)
        table.add(TaskforceSubmitFailed, self._record_report)
        table.add(TaskforceRemoved, self._record_report)
        table.add(TaskforceRemoveFailed, self._record_report)
        table.add(TaskforceCompleted, self._record_report)
        return table

    async def _offer_statuses(self, statuses: TaskforceStatuses, event: Event) -> None:
        _check_sender(event, tms_service(statuses.schedd))
        # The newest snapshot wins, so this needs no inbox row. If we die before we write it, nothing is lost.
        self._snapshots.offer(statuses)

    async def _record_queues_answer(self, answer: QueueReport, event: Event) -> None:
        _check_sender(event, Service.MQS)
        await self._fleet.queues_answered(answer, _once(event))

    async def _record_report(self, report: Report, event: Event) -> None:
        await self._fleet.reported(report, event.sender, _once(event))


def _once(event: Event) -> Once:
    return Once(f"{Service.WMS}:{event.id}")


def _check_sender(event: Event, expected: str) -> None:
    if event.sender != expected:
        raise Rejected(f"{event.sender or 'a nameless sender'} may not say what is for {expected} to say")
