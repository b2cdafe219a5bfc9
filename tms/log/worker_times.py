"""Add up how long the workers of one cluster did what, and what their pilots report. (core)

Only sums are kept, and for each job that has not ended the last report of its pilot. A worker that enters an activity
at the instant T subtracts T from the activity's sum; when it leaves, it adds the instant. So the sum needs no memory of
when each worker entered. The instants are those of the job event log: reading it again gives the same sums.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Self

from schemas.fleet.statuses import SILENT, PilotStatus
from schemas.fleet.worker_times import Activity, TimeSum, WorkerTimes
from schemas.pilot.work_report import WorkReport, merge_reports, report_from_text, report_to_text
from tms.log.log_rules import MAX_SLOTS, ON_A_WORKER, RUNNING
from tms.log.reported_work import ReportedWork

#: What a running worker does, by the last status of its pilot. A pilot without a status is starting.
ACTIVITY_OF: Mapping[str, Activity] = {
    SILENT: Activity.STARTING,
    PilotStatus.STARTED: Activity.STARTING,
    PilotStatus.RUNNING_INIT_COMMAND: Activity.STARTING,
    PilotStatus.AWAITING_FIRST_MESSAGE: Activity.WAITING,
    PilotStatus.TASKING: Activity.WORKING,
    PilotStatus.PENDING_REMAINING_TASKS: Activity.WORKING,
    PilotStatus.FATAL_ERROR: Activity.FAILED,
    PilotStatus.DONE: Activity.LEAVING,
}

_SUMMED = ("n_done", "n_failed", "done_ms", "lost_ms", "idle_ms")


def find_activity(status: int, word: str, *, is_silenced: bool) -> Activity | None:
    """Return what the worker of a job with the status `status` does. Return None if the job does not run.

    `word` is the pilot's last status. `is_silenced` is whether HTCondor cannot reach the pilot.
    """
    if status == RUNNING and not is_silenced:
        return ACTIVITY_OF.get(word, Activity.UNKNOWN)
    return Activity.UNKNOWN if status in ON_A_WORKER else None


@dataclass(slots=True)
class WorkerTimeTally:
    """The sums of one cluster. `now_ms` is the instant of the log's last record, in milliseconds since 1970."""

    now_ms: int = 0
    #: Whether the sums are right. They are not if records have no year, or after the checkpoint of an older TMS.
    is_known: bool = True
    counts: Counter[Activity] = field(default_factory=Counter)
    offsets: Counter[Activity] = field(default_factory=Counter)
    first_run_ms: int | None = None
    last_left_ms: int | None = None
    n_runs: int = 0
    n_pilots: int = 0
    n_slots: int = 0
    peak_mib: int = 0
    last_done_ms: int = 0
    sums: Counter[str] = field(default_factory=Counter)
    durations: Counter[int] = field(default_factory=Counter)
    is_partial: bool = False
    #: ProcId -> the last report of the pilot of a job that has not ended, of `MAX_SLOTS` jobs at most. When a job ends,
    #: the owner of this tally removes its report.
    reports: dict[int, WorkReport] = field(default_factory=dict)

    def move_worker(self, before: Activity | None, after: Activity | None) -> None:
        """Count a worker that goes from one activity to another. None: its job does not run."""
        if before is after:
            return
        if not self.now_ms:
            self.is_known = False
        if before is not None:
            self.counts[before] -= 1
            self.offsets[before] += self.now_ms
        if after is not None:
            self.counts[after] += 1
            self.offsets[after] -= self.now_ms
        if before is None:
            self.n_runs += 1
            if self.first_run_ms is None:
                self.first_run_ms = self.now_ms
        elif after is None:
            self.last_left_ms = self.now_ms

    def note_report(self, proc: int, text: str, *, is_running: bool) -> None:
        """Count what the report of a pilot has more than the pilot's last one. Ignore a text that is no report.

        A report that comes after the end of its job counts only if an earlier one of the same pilot is known.
        """
        report, said = report_from_text(text), self.reports.get(proc)
        if report is None:
            return
        is_same = said is not None and said.pilot == report.pilot
        if not is_same and not is_running:
            return
        if said is None and len(self.reports) >= MAX_SLOTS:
            self.is_partial = True
            return
        self.n_pilots += not is_same
        base = said if said is not None and is_same else WorkReport(report.pilot, report.n_slots)
        merged = merge_reports(base, report)
        self.reports[proc] = merged
        self.n_slots = max(self.n_slots, merged.n_slots)
        self.peak_mib = max(self.peak_mib, merged.peak_mib)
        self.last_done_ms = max(self.last_done_ms, merged.last_done_ms)
        for name in _SUMMED:
            self.sums[name] += getattr(merged, name) - getattr(base, name)
        for bucket, n in merged.durations.items():
            self.durations[bucket] += n - base.durations.get(bucket, 0)

    def sum_work(self) -> ReportedWork:
        """Return what the pilots have done so far, as their reports say."""
        return ReportedWork(
            n_done=self.sums["n_done"],
            n_failed=self.sums["n_failed"],
            done_ms=self.sums["done_ms"],
            durations=dict(self.durations),
        )

    def summarize(self) -> WorkerTimes | None:
        """Return the sums, as a snapshot has them. Return None if they are not known."""
        if not self.is_known:
            return None
        return WorkerTimes(
            sums={
                activity: TimeSum(n_now=self.counts[activity], offset_ms=self.offsets[activity])
                for activity in Activity
                if activity in self.offsets
            },
            first_run_at=_to_instant(self.first_run_ms),
            last_left_at=_to_instant(self.last_left_ms),
            last_done_at=_to_instant(self.last_done_ms or None),
            n_runs=self.n_runs,
            n_pilots=self.n_pilots,
            n_slots=self.n_slots,
            peak_mib=self.peak_mib,
            durations={str(bucket): n for bucket, n in sorted(self.durations.items())},
            is_partial=self.is_partial,
            **{name: self.sums[name] for name in _SUMMED},
        )

    def to_json(self) -> dict[str, Any]:
        """Return the tally as JSON for a checkpoint."""
        plain = ("now_ms", "is_known", "first_run_ms", "last_left_ms", "n_runs", "n_pilots", "n_slots", "peak_mib")
        counted = ("counts", "offsets", "sums")
        return {
            **{name: getattr(self, name) for name in (*plain, "last_done_ms", "is_partial")},
            **{name: dict(getattr(self, name)) for name in counted},
            "durations": list(self.durations.items()),
            "reports": [[proc, report_to_text(report)] for proc, report in self.reports.items()],
        }

    @classmethod
    def from_json(cls, found: dict[str, Any] | None) -> Self:
        """Return the tally that `to_json` wrote. None stands for a checkpoint of an older TMS: the sums are unknown.

        Raises:
            KeyError, TypeError, ValueError: `found` is no such JSON.
        """
        if found is None:
            return cls(is_known=False)
        read = {proc: report_from_text(text) for proc, text in found["reports"]}
        return cls(
            **{
                **found,
                "counts": Counter({Activity(name): n for name, n in found["counts"].items()}),
                "offsets": Counter({Activity(name): n for name, n in found["offsets"].items()}),
                "sums": Counter(found["sums"]),
                "durations": Counter(dict(found["durations"])),
                "reports": {proc: report for proc, report in read.items() if report is not None},
            }
        )


def _to_instant(at_ms: int | None) -> datetime | None:
    return None if at_ms is None else datetime.fromtimestamp(at_ms / 1000, UTC)
