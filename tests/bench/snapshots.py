"""A status snapshot of a taskforce: it costs its few statuses, not its jobs, at 10 000 jobs as at 100 000.

Beside it what it would cost to count the jobs, as a straightforward service does for each report.
"""

import argparse
import random
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from rich.console import Console
from rich.table import Table

from schemas.fleet.statuses import PilotStatus
from schemas.ids import TaskforceUuid
from tms.log.job_events import EventType, JobEvent, JobHeld, JobMoved, PilotChirped
from tms.log.status_changes import StatusReports
from tms.log.statuses import Tally

SIZES = (100, 10_000, 100_000)
SEED = 20261121
UUID = TaskforceUuid("TF-00000000-00000000-00000000-00000001")


def tally(n_jobs: int) -> Tally:
    """Return a tally of jobs in all states, with errors."""
    rng = random.Random(SEED)
    events: list[JobEvent] = []
    words = list(PilotStatus)
    for proc in range(n_jobs):
        events += [JobMoved(proc, EventType.SUBMIT), JobMoved(proc, EventType.EXECUTE)]
        events.append(PilotChirped(proc, "Status", str(rng.choice(words))))
        if rng.random() < 0.1:
            events.append(PilotChirped(proc, "Error", f"error {rng.randrange(30)}"))
        if rng.random() < 0.1:
            events.append(JobHeld(proc, 34, 102))
    made = Tally(n_jobs)
    made.fold_events(events)
    return made


def counted(jobs: Tally) -> Counter[tuple[int, int]]:
    """Count all jobs."""
    return Counter(zip(jobs.jobs, jobs.pilots, strict=True))


def each_s(work: Callable[[], object], n: int) -> float:
    """Return the CPU of one call."""
    best = float("inf")
    for _ in range(3):
        before = time.process_time()
        for _ in range(n):
            work()
        best = min(best, (time.process_time() - before) / n)
    return best


def main(arguments: list[str] | None = None) -> None:
    """Print the table."""
    argparse.ArgumentParser(description=__doc__).parse_args(arguments)
    now = datetime(2026, 11, 21, tzinfo=UTC)
    table = Table(title="Snapshot of one taskforce (CPU)")
    for column in ("jobs", "snapshot", "of the smallest's", "counting all jobs", "snapshot / counting"):
        table.add_column(column, justify="right")
    first_s = None
    for n_jobs in SIZES:
        jobs = tally(n_jobs)
        reporting = StatusReports("bench", 1)

        def snapshot(jobs: Tally = jobs, reporting: StatusReports = reporting) -> object:
            # As old as a repetition is due: it is built whole each time.
            return reporting.list_due({UUID: jobs}, as_of=now + timedelta(days=1))

        taken_s = each_s(snapshot, 200)
        counting_s = each_s(lambda jobs=jobs: counted(jobs), 5)  # type: ignore[misc]  # bound in the loop on purpose
        first_s = first_s or taken_s
        table.add_row(
            f"{n_jobs:,}",
            f"{taken_s * 1e6:.0f} us",
            f"{taken_s / first_s:.2f} x",
            f"{counting_s * 1e6:,.0f} us",
            f"{taken_s / counting_s:.3f}",
        )
    Console().print(table)


if __name__ == "__main__":
    main()
