"""Find the taskforces that changed since the last report that the broker confirmed. (core)

Each snapshot has all statuses, so only the newest snapshot matters. TMS reports a taskforce that changed a thousand
times once, and the next report makes up for a lost report. `(epoch, seq)` orders snapshots across restarts. TMS repeats
an unchanged snapshot every 30 s with a new `as_of`, which shows readers that the snapshot is still true (G7).
"""

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import NamedTuple

from schemas.events import Snapshot, TaskforceStatuses
from schemas.fleet.pilot_kills import PilotKills
from schemas.fleet.statuses import CompoundStatuses, TopTaskErrors
from schemas.fleet.worker_times import WorkerTimes
from schemas.ids import TaskforceUuid
from tms.log.statuses import Tally

#: How many snapshots one event carries. A snapshot with ten long errors has some 10 kB, an event may have 4 MiB.
MAX_SNAPSHOTS = 100
#: TMS reports an unchanged taskforce again after this time.
REPEAT_AFTER = timedelta(seconds=30)


@dataclass(slots=True)
class StatusReports:
    """The reports of one TMS: the last confirmed snapshot of each taskforce, and the number of the last snapshot
    made.
    """

    schedd: str
    epoch: int
    _seq: int = 0
    _said: dict[TaskforceUuid, Snapshot] = field(default_factory=dict)

    def list_due(
        self,
        tallies: Mapping[TaskforceUuid, Tally],
        unmatched: Mapping[TaskforceUuid, str] = MappingProxyType({}),
        all_bad: Set[TaskforceUuid] = frozenset(),
        *,
        as_of: datetime,
    ) -> list[TaskforceStatuses]:
        """Return reports of the taskforces whose tally differs from the last confirmed report, or whose last report is
        old.

        `unmatched` gives for a taskforce the reason why no slot can take its waiting jobs. `all_bad` are the taskforces
        whose task fails on every worker.

        If `note_confirmed` is not called, a second call returns the same reports with higher numbers.
        """
        snapshots = []
        for uuid, tally in tallies.items():
            counted = _SnapshotContent(
                tally.count_statuses(),
                tally.top_errors(),
                _exit_codes(tally),
                unmatched.get(uuid, ""),
                uuid in all_bad,
                list(tally.kills.values()),
                tally.times.summarize(),
            )
            said = self._said.get(uuid)
            if (
                said is None
                or _SnapshotContent(
                    said.compound_statuses,
                    said.top_task_errors,
                    said.exit_codes,
                    said.unmatched,
                    said.all_bad,
                    said.kills,
                    said.times,
                )
                != counted
                or as_of - said.as_of >= REPEAT_AFTER
            ):
                snapshots.append(self._make_snapshot(uuid, counted, as_of))
        return [
            TaskforceStatuses(schedd=self.schedd, snapshots=snapshots[n : n + MAX_SNAPSHOTS])
            for n in range(0, len(snapshots), MAX_SNAPSHOTS)
        ]

    def note_confirmed(self, report: TaskforceStatuses) -> None:
        """Note that the broker has confirmed `report`."""
        for snapshot in report.snapshots:
            self._said[snapshot.taskforce_uuid] = snapshot

    def forget_taskforces(self, taskforces: Iterable[TaskforceUuid]) -> None:
        """Forget the last reports of `taskforces`, so that the next `list_due` includes them if they still have a
        tally.
        """
        for uuid in taskforces:
            self._said.pop(uuid, None)

    def _make_snapshot(self, uuid: TaskforceUuid, counted: "_SnapshotContent", as_of: datetime) -> Snapshot:
        self._seq += 1
        return Snapshot(
            taskforce_uuid=uuid,
            epoch=self.epoch,
            seq=self._seq,
            as_of=as_of,
            compound_statuses=counted.statuses,
            top_task_errors=counted.errors,
            exit_codes=counted.exit_codes,
            unmatched=counted.unmatched,
            all_bad=counted.all_bad,
            kills=counted.kills,
            times=counted.times,
        )


class _SnapshotContent(NamedTuple):
    """The content of a snapshot without its numbers and its time."""

    statuses: CompoundStatuses
    errors: TopTaskErrors
    exit_codes: dict[str, int]
    unmatched: str
    all_bad: bool
    kills: list[PilotKills]
    times: WorkerTimes | None


def _exit_codes(tally: Tally) -> dict[str, int]:
    return {str(code): n for code, n in sorted(tally.exits.items())}
