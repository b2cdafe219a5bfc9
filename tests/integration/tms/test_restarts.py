"""A worker that ends is replaced, by HTCondor and by the local pool alike."""

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from tests.integration.tms.conftest import Taskforce
from tests.waiting import eventually
from tms.jobs import restarts
from tms.jobs.submit_description import Submission
from tms.pools.condor import CondorPool
from tms.pools.interface import Pool

#: So long must a worker of `submitted` live to start again at once, and so long it may live.
STEADY_S, RUNTIME_S = 2, 4

PAUSED = "HELD: The pilot ended early; it starts again after a pause"
KILLED = "HELD: The pilot was killed by SIGKILL (most often out of memory); it starts again after a pause"


def count_starts(taskforce: Taskforce) -> int:
    return taskforce.files.log.read_bytes().count(b"\n001 (")


def running(taskforce: Taskforce, script: str, *, runtime_s: int = 600) -> Submission:
    """Return a cluster of one worker that runs `script`; `$1` is a place where it may leave word."""
    place = taskforce.files.directory.parent / "place"
    place.mkdir(exist_ok=True)
    place.chmod(0o777)
    file = place / "script"
    file.write_text(script)
    command = ("/bin/sh", str(file), str(place))
    return replace(taskforce.submission(), command=command, n_workers=1, max_runtime_s=runtime_s)


async def start(pool: Pool, cluster: Submission) -> None:
    submitted = await pool.submit_cluster(cluster)
    await pool.release_cluster(cluster.taskforce_uuid, submitted.cluster_id)


async def test_a_worker_that_is_killed_runs_again_at_once(pool: Pool, taskforce: Taskforce) -> None:
    script = f"test -e $1/again && exec sleep 600; touch $1/again; sleep {STEADY_S + 1}; kill -9 $$"
    await start(pool, running(taskforce, script, runtime_s=2 * STEADY_S))
    await eventually(lambda: count_starts(taskforce) >= 2)
    assert PAUSED not in str(taskforce.statuses())
    killed = taskforce.log().tally.kills[signal.SIGKILL]
    assert (killed.n_kills, killed.last_at is not None) == (1, True)
    (kill,) = killed.latest
    assert (kill.worker, kill.at, bool(kill.slot)) == (0, killed.last_at, True), "the log names the slot"
    await pool.remove_clusters(taskforce.uuid)


async def test_a_worker_whose_time_is_over_runs_again(pool: Pool, taskforce: Taskforce) -> None:
    await start(pool, running(taskforce, "touch $1/$$; exec sleep 600", runtime_s=RUNTIME_S))
    await eventually(lambda: count_starts(taskforce) >= 2)
    assert b"\n004 (" in taskforce.files.log.read_bytes(), "it was not evicted"
    assert taskforce.log().tally.removed is None
    await pool.remove_clusters(taskforce.uuid)


@pytest.mark.parametrize("end", ["exit 1", "exit 4", "kill -9 $$"])
async def test_a_worker_that_ends_early_pauses_and_says_so(
    pool: Pool, taskforce: Taskforce, end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(restarts, "FIRST_PAUSE_S", 1)
    # The pool of the tests is a single machine.
    monkeypatch.setattr(restarts, "AVOIDED_S", 2)
    await start(pool, running(taskforce, f"test -e $1/again && exec sleep 600; touch $1/again; {end}"))
    await eventually(lambda: b"\n012 (" in taskforce.files.log.read_bytes())
    await eventually(lambda: count_starts(taskforce) == 2)
    assert taskforce.statuses()["RUNNING"] == {"null": 1}
    await pool.remove_clusters(taskforce.uuid)


@pytest.mark.parametrize(("end", "status"), [("exit 1", PAUSED), ("kill -9 $$", KILLED)])
async def test_a_paused_worker_is_seen_with_the_signal_that_ended_it_and_can_be_removed(
    pool: Pool, taskforce: Taskforce, end: str, status: str
) -> None:
    await start(pool, running(taskforce, end))
    await eventually(lambda: taskforce.statuses().get(status) == {"null": 1})
    assert [one.n_kills for one in taskforce.log().tally.kills.values()] == ([1] if status == KILLED else [])
    await pool.remove_clusters(taskforce.uuid)
    await eventually(lambda: taskforce.log().tally.removed)
    assert set(taskforce.statuses()) == {"REMOVED"}


async def test_a_source_that_has_run_is_over(pool: Pool, taskforce: Taskforce, tmp_path: Path) -> None:
    await start(pool, replace(running(taskforce, "exit 0"), is_source=True))
    await eventually(lambda: taskforce.log().tally.removed)
    assert taskforce.statuses()["COMPLETED"] == {"null": 1}
    assert count_starts(taskforce) == 1


async def test_a_job_on_a_dead_machine_is_removed_by_force(
    condor: Path, condor_pool: CondorPool, taskforce: Taskforce
) -> None:
    """The lease of a job is minutes; a user's `finish` does not wait for it."""
    await condor_pool.start()
    await start(condor_pool, running(taskforce, "exec sleep 600"))
    await eventually(lambda: "RUNNING" in taskforce.statuses())
    with stopped_worker_daemons(condor.parents[1]):
        await condor_pool.remove_clusters(taskforce.uuid)
        assert await condor_pool.force_removals(3600) == 0, "it has its time to go by itself"
        assert taskforce.log().tally.removed is None

        n_forced = 0
        async with asyncio.timeout(60):
            while taskforce.log().tally.removed is None:
                n_forced += await condor_pool.force_removals(0)
                await asyncio.sleep(0.5)
        assert n_forced == 1
        assert await condor_pool.find_clusters(taskforce.uuid) == []
    await condor_pool.stop()


@contextmanager
def stopped_worker_daemons(directory: Path) -> Iterator[None]:
    """Stop the pool's startd and its starters for the block: to the rest of the pool the machine is dead."""
    pids = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]
    daemons = [pid for pid in pids if is_daemon_of(pid, directory, {"condor_startd", "condor_starter"})]
    assert len(daemons) >= 2
    for pid in daemons:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in daemons:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def is_daemon_of(pid: int, directory: Path, names: set[str]) -> bool:
    process = Path(f"/proc/{pid}")
    try:
        name, environment = (process / "comm").read_text().strip(), (process / "environ").read_bytes()
    except OSError:
        return False
    return name in names and str(directory).encode() in environment
