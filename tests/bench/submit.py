"""Submitting 1, 1 000 and 10 000 workers to a real schedd: paused factories with late materialization, then removed.

Through TMS's own pool (a process for the bindings), beside an eager submit of as many jobs, which is what it replaces.
What the event loop of TMS waits meanwhile is measured too: the bindings must not hold it up.
"""

import argparse
import asyncio
import os
import statistics
import tempfile
import time
from pathlib import Path

import htcondor2
from rich.console import Console
from rich.table import Table

from deploy.local.children.accounts import TMS
from deploy.local.files.run_directory import run_directory
from deploy.local.servers.condor import use_config
from deploy.local.system.services import running_services
from deploy.local.system.up import prepare_servers
from schemas.ids import TaskforceUuid
from tms.jobs.submit_description import Submission, build_commands
from tms.pools.condor import CondorPool

SIZES = (1, 1_000, 10_000)


def cluster(n_workers: int, directory: Path, number: int) -> Submission:
    """Return a cluster whose jobs no worker can take."""
    return Submission(
        taskforce_uuid=TaskforceUuid(f"TF-00000000-00000000-00000000-{number:08x}"),
        n_workers=n_workers,
        command=("/bin/true",),
        container_image="",
        environment={"PATH": "/usr/bin:/bin"},
        input_files=(),
        output_directory="",
        job_event_log=str(directory / "job.log"),
        requirements="(false)",
        n_cores=1,
        memory_bytes=64 * 2**20,
        disk_bytes=2**20,
        priority=50,
        max_idle=1000,
        max_runtime_s=600,
        max_age_s=3600,
        max_held_s=600,
    )


async def longest_stall_s(stop: asyncio.Event) -> float:
    """Return how long the loop did not come back to us at most, until `stop`."""
    longest, pause_s = 0.0, 0.005
    while not stop.is_set():
        before = time.perf_counter()
        await asyncio.sleep(pause_s)
        longest = max(longest, time.perf_counter() - before - pause_s)
    return longest


async def late(pool: CondorPool, n_workers: int, directory: Path, repeat: int) -> tuple[float, float, float]:
    """Return the median seconds of a submit and of a removal, and the longest stall of the loop."""
    submits, removals = [], []
    stop = asyncio.Event()
    stall = asyncio.create_task(longest_stall_s(stop))
    for number in range(repeat):
        wanted = cluster(n_workers, directory, number)
        began = time.perf_counter()
        made = await pool.submit_cluster(wanted)
        submits.append(time.perf_counter() - began)
        assert made.n_workers == n_workers
        began = time.perf_counter()
        assert await pool.remove_clusters(made.taskforce_uuid, made.cluster_id) == [made.cluster_id]
        removals.append(time.perf_counter() - began)
    stop.set()
    return statistics.median(submits), statistics.median(removals), await stall


def eager_s(n_workers: int, directory: Path) -> float:
    """Return the seconds of one submit that makes all jobs at once."""
    commands = {name: str(value) for name, value in build_commands(cluster(n_workers, directory, 99)).items()}
    for name in ("max_idle", "+JobMaterializePaused", "encrypt_input_files"):
        del commands[name]
    schedd = htcondor2.Schedd(htcondor2.Collector().locateAll(htcondor2.DaemonType.Schedd)[0])
    began = time.perf_counter()
    made = schedd.submit(htcondor2.Submit(commands), count=n_workers)
    taken_s = time.perf_counter() - began
    schedd.act(htcondor2.JobAction.Remove, f"ClusterId == {made.cluster()}", reason=("bench", 0))
    return taken_s


async def measure(repeat: int, eager_up_to: int, directory: Path) -> Table:
    """Return the table; the jobs' files lie in `directory`."""
    table = Table(title=f"Submit to a real schedd (median of {repeat})")
    for column in (
        "workers",
        "submit",
        "of one worker's",
        "removal",
        "loop stalled at most",
        "eager submit",
        "late/eager",
    ):
        table.add_column(column, justify="right")
    pool = CondorPool(schedd="")
    await pool.start()
    one_s = None
    for n_workers in SIZES:
        submit_s, removal_s, stall_s = await late(pool, n_workers, directory, repeat)
        one_s = one_s or submit_s
        whole_s = await asyncio.to_thread(eager_s, n_workers, directory) if n_workers <= eager_up_to else None
        table.add_row(
            f"{n_workers:,}",
            f"{submit_s * 1000:.1f} ms",
            f"{submit_s / one_s:.2f} x",
            f"{removal_s * 1000:.1f} ms",
            f"{stall_s * 1000:.1f} ms",
            f"{whole_s * 1000:.0f} ms" if whole_s else "",
            f"{submit_s / whole_s:.3f}" if whole_s else "",
        )
    await pool.stop()
    return table


def main(arguments: list[str] | None = None) -> None:
    """Start a pool, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=7)
    parser.add_argument("--eager-up-to", type=int, default=1_000, help="10000 eager jobs keep a schedd busy for long")
    told = parser.parse_args(arguments)
    console = Console()
    with (
        run_directory() as run,
        tempfile.TemporaryDirectory() as name,
        running_services(prepare_servers(console, os.environ), run, shared=[Path(name)]) as services,
    ):
        assert services.condor is not None
        use_config(services.condor.config)
        if services.secluded is not None:
            services.secluded.give_tree(Path(name), TMS)
        console.print(asyncio.run(measure(told.repeat, told.eager_up_to, Path(name))))


if __name__ == "__main__":
    main()
