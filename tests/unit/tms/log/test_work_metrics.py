"""What pilots report of their work is counted once, however often and in whatever parts TMS reads it."""

import json
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from schemas.fleet.worker_times import WorkerTimes
from schemas.pilot.job_names import ChirpAttribute
from schemas.pilot.work_report import WorkReport, find_bucket, report_to_text
from tests.unit.tms.log.test_worker_times import at
from tms.files import TaskforceFiles
from tms.log.job_log import JobLog
from tms.log.reported_work import ReportedWork, subtract_work
from tms.pools.local.event_log import job_chirped, job_executing, job_submitted

NONE = ReportedWork(0, 0, 0, {})
SOME = ReportedWork(5, 1, 700, {10: 3, 12: 2})


@pytest.mark.parametrize(
    ("before", "after", "more"),
    [
        (NONE, NONE, NONE),
        (NONE, SOME, SOME),
        (SOME, SOME, NONE),
        (SOME, ReportedWork(7, 4, 900, {10: 4, 12: 2, 13: 1}), ReportedWork(2, 3, 200, {10: 1, 13: 1})),
        (SOME, NONE, NONE),
        (SOME, ReportedWork(6, 0, 0, {12: 3}), ReportedWork(1, 0, 0, {12: 1})),
    ],
)
def test_only_what_is_new_counts_and_nothing_is_taken_back(
    before: ReportedWork, after: ReportedWork, more: ReportedWork
) -> None:
    assert subtract_work(after, before) == more


def read_metrics() -> dict[str, float]:
    names = {
        "done": ("ewms_task_events_total", {"outcome": "done"}),
        "failed": ("ewms_task_events_total", {"outcome": "failed"}),
        "seconds": ("ewms_task_seconds_sum", {}),
        "all": ("ewms_task_seconds_count", {}),
        "quick": ("ewms_task_seconds_bucket", {"le": "0.256"}),
        "longer": ("ewms_task_seconds_bucket", {"le": "4.096"}),
    }
    return {name: REGISTRY.get_sample_value(metric, labels) or 0.0 for name, (metric, labels) in names.items()}


def test_reports_in_a_job_event_log_are_counted_once(tmp_path: Path) -> None:
    files = TaskforceFiles(tmp_path / "TF-1")
    files.create_directory()

    def chirp(report: WorkReport, at_s: float) -> str:
        return job_chirped(7, 0, at(at_s), f"{ChirpAttribute.WORK}: {json.dumps(report_to_text(report))}")

    begun = job_submitted(7, 0, at(0)) + job_executing(7, 0, at(1), "node7")
    first = WorkReport("p", 1, n_done=2, n_failed=1, done_ms=200, durations={find_bucket(100): 2})
    then = WorkReport("p", 1, n_done=3, n_failed=1, done_ms=3200, durations={find_bucket(100): 2, find_bucket(3000): 1})
    files.log.write_text(begun + chirp(first, 2))
    before = read_metrics()

    log = JobLog(files, n_workers=1, cluster_id=7)
    log.read_new()
    log.save_checkpoint()
    with files.log.open("a") as file:
        file.write(chirp(first, 3) + chirp(then, 4) + chirp(first, 5))
    # A TMS that was restarted goes on from the checkpoint.
    log = JobLog(files, n_workers=1, cluster_id=7)
    assert log.load_checkpoint()
    log.read_new()
    log.read_new()
    times = log.tally.times.summarize()
    assert isinstance(times, WorkerTimes)
    assert times.n_done == 3
    grown = {name: after - before[name] for name, after in read_metrics().items()}
    assert grown == {"done": 3, "failed": 1, "seconds": pytest.approx(3.2), "all": 3, "quick": 2, "longer": 3}
