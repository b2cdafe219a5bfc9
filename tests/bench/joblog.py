"""Job event logs: our reader and fold, beside a bare scan of the same bytes and HTCondor's own reader; restarts too.

One log, one process, in turns: the slices that TMS reads are read, parsed and folded; `htcondor2.JobEventLog` reads the
same file and does nothing with what it finds; the bare scan counts line ends. CPU of this process, the best of each.
"""

import argparse
import random
import re
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import htcondor2
from rich.console import Console
from rich.table import Table

from schemas.ids import TaskforceUuid
from tms.files import TaskforceFiles
from tms.log.job_log import SLICE_BYTES, JobLog

N_EVENTS = 300_000
SEED = 20261121
CLUSTER = 1

#: A real log of a dozen jobs, with their pilots' chirps, holds, evictions and suspensions.
SAMPLE = Path(__file__).parents[1] / "data" / "job_event_logs" / "factory-held-suspended-vacated-removed.log"
_END = "...\n"
_OF_JOB = re.compile(r"(?m)^(\d{3}) \(001\.(\d{3})\.000\)")


def log_text(n_events: int, seed: int) -> str:
    """Return a log of at least `n_events` records: the lives of the sample's jobs, again and again, as other jobs."""
    rng = random.Random(seed)
    lives: dict[str, list[str]] = {}
    for record in SAMPLE.read_text().split(_END):
        if (head := _OF_JOB.match(record)) is not None:
            lives.setdefault(head[2], []).append(record)
    records: list[str] = []
    alive: list[tuple[int, list[str]]] = []
    n_jobs = 0
    while len(records) < n_events or alive:
        # So many at once that the records of different jobs alternate as they do on a busy pool.
        if len(records) < n_events and len(alive) < 500:
            alive.append((n_jobs, rng.choice(list(lives.values()))[::-1].copy()))
            n_jobs += 1
            continue
        place = rng.randrange(len(alive))
        proc, rest = alive[place]
        records.append(_OF_JOB.sub(rf"\g<1> (001.{proc:03d}.000)", rest.pop(), count=1))
        if not rest:
            alive[place] = alive[-1]
            alive.pop()
    return _END.join([*records, ""])


def bare_scan(files: TaskforceFiles) -> int:
    """Read the bytes in slices, as ours does, and count the line ends."""
    n = 0
    with files.log.open("rb") as log:
        while data := log.read(SLICE_BYTES):
            n += data.count(b"\n")
    return n


def ours(files: TaskforceFiles) -> JobLog:
    """Read and fold the log as TMS does, without a checkpoint."""
    joblog = JobLog(files, n_workers=1_000_000, cluster_id=CLUSTER)
    while joblog.lag_bytes():
        joblog.read_new()
    return joblog


def theirs(files: TaskforceFiles) -> int:
    """Let HTCondor's bindings read it."""
    return sum(1 for _ in htcondor2.JobEventLog(str(files.log)).events(stop_after=0))


def cpu_s(work: Callable[[TaskforceFiles], object], files: TaskforceFiles, repeat: int) -> float:
    """Return the least CPU that `work` took."""
    taken = []
    for _ in range(repeat):
        before = time.process_time()
        work(files)
        taken.append(time.process_time() - before)
    return min(taken)


def main(arguments: list[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=N_EVENTS)
    parser.add_argument("--repeat", type=int, default=3)
    told = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as directory:
        files = TaskforceFiles(Path(directory, TaskforceUuid("TF-00000000-00000000-00000000-00000001")))
        files.create_directory()
        files.log.write_text(log_text(told.events, SEED))
        n_records = files.log.read_bytes().count(b"\n...\n")
        assert theirs(files) == n_records
        joblog = ours(files)
        assert joblog.n_corrupt == 0
        joblog.save_checkpoint()
        measured = {
            "bare scan": cpu_s(bare_scan, files, told.repeat),
            "TMS: read, parse and fold": cpu_s(ours, files, told.repeat),
            "htcondor2.JobEventLog, nothing folded": cpu_s(theirs, files, 1),
        }
        restart_s = cpu_s(lambda f: JobLog(f, n_workers=0, cluster_id=None).load_checkpoint(), files, told.repeat)
        n_bytes = files.log.stat().st_size
    table = Table(title=f"Job event log: {n_records:,} events, {n_bytes / 1e6:.0f} MB, seed {SEED}")
    for column in ("", "events/s on one core", "of the bare scan", "of htcondor2"):
        table.add_column(column, justify="left" if not column else "right")
    scan_s, theirs_s = measured["bare scan"], measured["htcondor2.JobEventLog, nothing folded"]
    for name, taken_s in measured.items():
        table.add_row(name, f"{n_records / taken_s:,.0f}", f"{scan_s / taken_s:.3f}", f"{theirs_s / taken_s:.1f} x")
    console = Console()
    console.print(table)
    share = restart_s / measured["TMS: read, parse and fold"]
    console.print(f"a restart from the checkpoint: {restart_s * 1000:.1f} ms, {share:.4f} of reading the whole log")


if __name__ == "__main__":
    main()
