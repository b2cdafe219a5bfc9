"""What changed since the last report that the broker confirmed. (core)

A snapshot is whole, so only the newest matters: a taskforce that changed a thousand times since the last report is
reported once, and a report that was lost is made up for by the next. `(epoch, seq)` orders them across restarts.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from schemas.events import Snapshot, TaskforceStatuses
from schemas.ids import TaskforceUuid
from schemas.statuses import CompoundStatuses, TopTaskErrors
from tms.statuses import Tally

#: Snapshots in one event: a snapshot with ten long errors has some 10 kB, an event may have 4 MiB.
MAX_SNAPSHOTS = 100


@dataclass(slots=True)
class Reporting:
    """The reports of one TMS: what was said last of each taskforce, and the number of the next snapshot."""

    schedd: str
    epoch: int
    _seq: int = 0
    _said: dict[TaskforceUuid, tuple[CompoundStatuses, TopTaskErrors]] = field(default_factory=dict)

    def due(self, tallies: Mapping[TaskforceUuid, Tally], *, as_of: datetime) -> list[TaskforceStatuses]:
        """Return the reports of those of `tallies` that differ from what was last confirmed.

        Asking again without `confirmed` gives the same again, with higher numbers.
        """
        snapshots = []
        for uuid, tally in tallies.items():
            statuses, errors = tally.compound(), tally.top_errors()
            if self._said.get(uuid) != (statuses, errors):
                snapshots.append(self._snapshot(uuid, statuses, errors, as_of))
        return [
            TaskforceStatuses(schedd=self.schedd, snapshots=snapshots[n : n + MAX_SNAPSHOTS])
            for n in range(0, len(snapshots), MAX_SNAPSHOTS)
        ]

    def confirmed(self, report: TaskforceStatuses) -> None:
        """Note that the broker has `report`."""
        for snapshot in report.snapshots:
            self._said[snapshot.taskforce_uuid] = (snapshot.compound_statuses, snapshot.top_task_errors)

    def forget(self, taskforces: Iterable[TaskforceUuid]) -> None:
        """Drop what was said of `taskforces`, which are over or are to be reported anew."""
        for uuid in taskforces:
            self._said.pop(uuid, None)

    def _snapshot(
        self, uuid: TaskforceUuid, statuses: CompoundStatuses, errors: TopTaskErrors, as_of: datetime
    ) -> Snapshot:
        self._seq += 1
        return Snapshot(
            taskforce_uuid=uuid,
            epoch=self.epoch,
            seq=self._seq,
            as_of=as_of,
            compound_statuses=statuses,
            top_task_errors=errors,
        )
