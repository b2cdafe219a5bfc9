"""Handle incoming events. Each event is one call of the fleet, and its id makes it take effect only once.

A service may report only on its own objects: a TMS on the taskforces at its schedd, MQS on queues. Any other report
becomes a dead letter.
"""

from runtime.bus.dispatch import DispatchTable
from runtime.once import Once
from schemas.broker.services import Service
from schemas.broker.topology import tms_service
from schemas.errors import Rejected
from schemas.events import (
    ControlEvent,
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
from wms.fleet.fleet import Fleet
from wms.fleet.life.stimuli import QueueReport, Report
from wms.fleet.status_snapshots import SnapshotWriter
from wms.fleet.taskforce_control import TaskforceControl


class FleetHandlers:
    """The handlers of WMS's inbox. When a handler returns, the effect of its event is stored."""

    def __init__(self, fleet: Fleet, taskforces: TaskforceControl, snapshots: SnapshotWriter) -> None:
        self._fleet = fleet
        self._taskforces = taskforces
        self._snapshots = snapshots

    def build_table(self) -> DispatchTable:
        """Return the handler of each event that WMS takes."""
        table = DispatchTable()
        table.add_handler(TaskforceStatuses, self._offer_statuses)
        table.add_handler(QueuesActivated, self._record_queues_answer)
        table.add_handler(QueuesDeferred, self._record_queues_answer)
        table.add_handler(QueuesDrained, self._record_queues_answer)
        table.add_handler(ResultsArrived, self._record_queues_answer)
        table.add_handler(TaskforceSubmitted, self._record_report)
        table.add_handler(TaskforceSubmitFailed, self._record_report)
        table.add_handler(TaskforceRemoved, self._record_report)
        table.add_handler(TaskforceRemoveFailed, self._record_report)
        table.add_handler(TaskforceCompleted, self._record_report)
        return table

    async def _offer_statuses(self, statuses: TaskforceStatuses, event: ControlEvent) -> None:
        _check_sender(event, tms_service(statuses.schedd))
        # The newest snapshot wins, so this needs no inbox row. If we die before we write it, nothing is lost.
        self._snapshots.offer_statuses(statuses)

    async def _record_queues_answer(self, answer: QueueReport, event: ControlEvent) -> None:
        _check_sender(event, Service.MQS)
        await self._fleet.record_queues_answer(answer, _identify_event(event))

    async def _record_report(self, report: Report, event: ControlEvent) -> None:
        await self._taskforces.record_report(report, event.sender, _identify_event(event))


def _identify_event(event: ControlEvent) -> Once:
    return Once(f"{Service.WMS}:{event.id}")


def _check_sender(event: ControlEvent, expected: str) -> None:
    if event.sender != expected:
        raise Rejected(f"{event.sender or 'a nameless sender'} may not report this: only {expected} may")
