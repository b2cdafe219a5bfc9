"""Count what the pilots' reports add: runs of tasks by outcome, and how long those took that succeeded."""

from runtime.telemetry import counted_histogram, counter
from schemas.pilot.work_report import list_bucket_ends
from tms.log.reported_work import ReportedWork, subtract_work

#: Ends of buckets, in seconds: 4 ms, 16 ms, ... 19 hours. They are ends of the buckets of reports, too.
_ENDS = tuple(4.0**n / 1000 for n in range(1, 14))

_events = counter(
    "task_events_total",
    "Runs of tasks for events, as pilots report them to this TMS: done or failed. Each attempt at an event counts.",
    ["outcome"],
)
_seconds = counted_histogram(
    "task_seconds",
    "How long the task ran for an event, of the runs that ewms_task_events_total counts as done.",
    _ENDS,
)


def record_work(before: ReportedWork, after: ReportedWork) -> None:
    """Add to the metrics what a cluster's pilots have done between the two."""
    more = subtract_work(after, before)
    _events.labels("done").inc(more.n_done)
    _events.labels("failed").inc(more.n_failed)
    counts = {list_bucket_ends(bucket)[1] / 1000: n for bucket, n in more.durations.items()}
    _seconds.add_counts(counts, more.done_ms / 1000)
