"""What TMS relies on in a pool, on a real HTCondor and on the local one."""

import asyncio
import json
import os
import shutil
import signal
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from schemas.ids import TaskforceUuid
from tests.integration.tms.conftest import Taskforce
from tests.waiting import eventually
from tms.errors import ClusterGone, PoolUnavailable, SubmitRefused
from tms.pools.condor import CondorPool
from tms.pools.interface import Pool
from tms.pools.local.pool import LocalPool


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def is_schedd_of(pid: int, config: Path) -> bool:
    process = Path(f"/proc/{pid}")
    try:
        name, environment = (process / "comm").read_text(), (process / "environ").read_bytes()
    except OSError:
        return False
    return name == "condor_schedd\n" and str(config).encode() in environment


async def test_a_submitted_cluster_is_found_and_runs_nothing(pool: Pool, taskforce: Taskforce) -> None:
    cluster = await pool.submit_cluster(taskforce.submission("0", "0"))
    assert cluster.awaits_release
    assert cluster.n_workers == 3
    assert await pool.find_clusters(taskforce.uuid) == [cluster]
    assert cluster in await pool.list_clusters()
    assert await pool.find_clusters(TaskforceUuid("TF-6b00e09f-00000000-00000000-00000000")) == []
    # There is no event to wait for: HTCondor gives jobs to workers every two seconds, the local pool at once.
    await asyncio.sleep(3 if isinstance(pool, CondorPool) else 0.3)
    assert taskforce.statuses() == {"IDLE": {"null": 3}}
    assert b"\n000 (" not in taskforce.files.log.read_bytes()


async def test_a_released_cluster_runs_to_its_end(pool: Pool, taskforce: Taskforce) -> None:
    cluster = await pool.submit_cluster(taskforce.submission("0.3", "3"))
    assert await pool.release_cluster(taskforce.uuid, cluster.cluster_id)
    await eventually(lambda: "Tasking" in taskforce.statuses().get("RUNNING", {}))
    await eventually(lambda: taskforce.log().tally.removed)
    tally = taskforce.log().tally
    assert tally.count_statuses() == {"COMPLETED": {"Done": 3}}
    assert tally.exits == {3: 3}
    assert tally.top_errors() == {"RuntimeError: bad pixel": 3}
    assert tally.cluster_id == cluster.cluster_id
    assert await pool.find_clusters(taskforce.uuid) == []
    output = taskforce.files.directory / f"cluster-{cluster.cluster_id}"
    assert (output / "0.out").read_text().splitlines()[1:] == ["['ewms_pilot_task.json', 'ewms_pilot_token']", "0o600"]
    assert list(taskforce.files.directory.rglob("left behind")) == []


async def test_what_workers_print_has_its_place_whatever_happened_since_the_submit(
    pool: Pool, taskforce: Taskforce
) -> None:
    """As after a kill right behind the submit: all that is left of it is the cluster in the queue."""
    cluster = await pool.submit_cluster(taskforce.submission("0", "0", n_workers=1))
    output = taskforce.files.directory / f"cluster-{cluster.cluster_id}"
    shutil.rmtree(output, ignore_errors=True)
    assert await pool.release_cluster(taskforce.uuid, cluster.cluster_id)
    # An HTCondor that makes it by itself does so when the job has ended, which takes longer than this.
    assert output.is_dir() or isinstance(pool, LocalPool)
    await eventually(lambda: taskforce.log().tally.removed or "HELD" in str(taskforce.statuses()))
    assert "COMPLETED" in taskforce.log().tally.count_statuses()
    assert output.stat().st_mode & 0o777 == 0o700
    assert "ewms_pilot_task.json" in (output / "0.out").read_text()


async def test_who_wants_no_output_gets_no_directory_for_it(pool: Pool, taskforce: Taskforce) -> None:
    cluster = await pool.submit_cluster(replace(taskforce.submission("0", "0", n_workers=1), output_directory=""))
    assert await pool.release_cluster(taskforce.uuid, cluster.cluster_id)
    await eventually(lambda: taskforce.log().tally.removed)
    assert list(taskforce.files.directory.glob("cluster-*")) == []


async def test_a_second_release_does_nothing(pool: Pool, taskforce: Taskforce) -> None:
    cluster = await pool.submit_cluster(taskforce.submission("30", "0"))
    assert await pool.release_cluster(taskforce.uuid, cluster.cluster_id)
    await eventually(lambda: "RUNNING" in taskforce.statuses())
    assert not await pool.release_cluster(taskforce.uuid, cluster.cluster_id)
    assert not (await pool.find_clusters(taskforce.uuid))[0].awaits_release


async def test_a_cluster_that_has_left_cannot_be_released(pool: Pool, taskforce: Taskforce) -> None:
    with pytest.raises(ClusterGone):
        await pool.release_cluster(taskforce.uuid, 999_999)


async def test_a_paused_cluster_is_removed(pool: Pool, taskforce: Taskforce) -> None:
    cluster = await pool.submit_cluster(taskforce.submission("0", "0"))
    assert await pool.remove_clusters(taskforce.uuid) == [cluster.cluster_id]
    await eventually(lambda: taskforce.log().tally.removed)
    assert taskforce.statuses() == {"REMOVED": {"null": 3}}
    assert await pool.find_clusters(taskforce.uuid) == []
    assert await pool.remove_clusters(taskforce.uuid) == []


async def test_a_removal_ends_everything_that_the_pilot_started(
    pool: Pool, taskforce: Taskforce, tmp_path: Path
) -> None:
    pid_file = tmp_path / "pid"
    cluster = await pool.submit_cluster(taskforce.submission("600", "0", str(pid_file), n_workers=1))
    await pool.release_cluster(taskforce.uuid, cluster.cluster_id)
    await eventually(lambda: "Tasking" in taskforce.statuses().get("RUNNING", {}))
    pid = int(pid_file.read_text())
    if isinstance(pool, LocalPool):
        assert is_alive(pid)
    await pool.remove_clusters(taskforce.uuid, cluster.cluster_id)
    await eventually(lambda: taskforce.log().tally.removed)
    assert "Tasking" in taskforce.statuses()["REMOVED"]
    if isinstance(pool, LocalPool):
        assert not is_alive(pid)


async def test_a_removal_of_another_cluster_leaves_this_one(pool: Pool, taskforce: Taskforce) -> None:
    cluster = await pool.submit_cluster(taskforce.submission("0", "0"))
    assert await pool.remove_clusters(taskforce.uuid, cluster.cluster_id + 1000) == []
    assert await pool.find_clusters(taskforce.uuid) == [cluster]


async def test_htcondor_says_no_to_what_it_does_not_understand(condor: Path, taskforce: Taskforce) -> None:
    pool = CondorPool(schedd="")
    with pytest.raises(SubmitRefused, match="requirements"):
        await pool.submit_cluster(replace(taskforce.submission("0", "0"), requirements="(Memory > )"))
    assert await pool.find_clusters(taskforce.uuid) == []
    await pool.stop()


async def test_no_schedd_is_unavailable(condor: Path) -> None:
    for pool in (CondorPool(schedd="", collector="127.0.0.1:1", timeout_s=5), CondorPool(schedd="no-such@schedd")):
        with pytest.raises(PoolUnavailable):
            await pool.start()
        await pool.stop()


async def test_a_schedd_that_hangs_does_not_stop_the_loop(condor: Path) -> None:
    hang_s = 5.0
    pool = CondorPool(schedd="", timeout_s=hang_s)
    await pool.start()
    (schedd,) = (
        p
        for p in (int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit())
        if is_schedd_of(p, condor.parents[1])
    )
    longest_s, last = 0.0, time.monotonic()

    async def tick() -> None:
        nonlocal longest_s, last
        while True:
            await asyncio.sleep(0.01)
            now = time.monotonic()
            longest_s, last = max(longest_s, now - last), now

    ticking = asyncio.create_task(tick())
    os.kill(schedd, signal.SIGSTOP)
    try:
        with pytest.raises(PoolUnavailable):
            await pool.ping()
    finally:
        os.kill(schedd, signal.SIGCONT)
        ticking.cancel()
    # In a thread of this process the loop would have stood still for the whole of it.
    assert longest_s < hang_s / 2
    await pool.ping()
    await pool.stop()


async def test_the_local_pool_runs_no_more_than_its_slots(tmp_path: Path, taskforce: Taskforce) -> None:
    pool = LocalPool(tmp_path / "local-pool", n_slots=2, grace_s=1)
    await pool.start()
    cluster = await pool.submit_cluster(taskforce.submission("0.2", "0", n_workers=5))
    await pool.release_cluster(taskforce.uuid, cluster.cluster_id)
    most = 0

    def is_over() -> bool:
        nonlocal most
        most = max(most, sum(taskforce.statuses().get("RUNNING", {}).values()))
        return taskforce.log().tally.removed is not None

    await eventually(is_over)
    assert most == 2
    await pool.stop()


async def test_the_local_pool_holds_what_it_cannot_start(tmp_path: Path, taskforce: Taskforce) -> None:
    pool = LocalPool(tmp_path / "local-pool", n_slots=8)
    await pool.start()
    cluster = await pool.submit_cluster(taskforce.submission(command="/no/such/pilot"))
    await pool.release_cluster(taskforce.uuid, cluster.cluster_id)
    held = {"HELD: The executable could not be started (ENOENT)": {"null": 3}}
    await eventually(lambda: taskforce.statuses() == held)
    await pool.remove_clusters(taskforce.uuid)
    await eventually(lambda: taskforce.log().tally.removed)
    await pool.stop()


@pytest.mark.parametrize("n_slots", [2, 3])
async def test_jobs_of_a_local_pool_that_stopped_run_again(tmp_path: Path, taskforce: Taskforce, n_slots: int) -> None:
    # With three slots all jobs run when the pool stops, and none waits.
    running = {"RUNNING": {"Tasking": n_slots}} | ({"IDLE": {"null": 3 - n_slots}} if n_slots < 3 else {})
    first = LocalPool(tmp_path / "local-pool", n_slots=n_slots, grace_s=0.1)
    await first.start()
    cluster = await first.submit_cluster(taskforce.submission("600", "0"))
    await first.release_cluster(taskforce.uuid, cluster.cluster_id)
    await eventually(lambda: taskforce.statuses() == running)
    await first.stop()
    assert taskforce.statuses() == {"IDLE": {"null": 3}}
    second = LocalPool(tmp_path / "local-pool", n_slots=n_slots, grace_s=0.1)
    await second.start()
    assert [c.cluster_id for c in await second.find_clusters(taskforce.uuid)] == [cluster.cluster_id]
    await eventually(lambda: taskforce.statuses() == running)
    await second.remove_clusters(taskforce.uuid)
    await eventually(lambda: taskforce.log().tally.removed)
    await second.stop()


async def test_a_removal_right_behind_the_release_leaves_nothing(pool: Pool, taskforce: Taskforce) -> None:
    cluster = await pool.submit_cluster(taskforce.submission("600", "0"))
    await pool.release_cluster(taskforce.uuid, cluster.cluster_id)
    await pool.remove_clusters(taskforce.uuid)
    await eventually(lambda: taskforce.log().tally.removed)
    assert sum(taskforce.statuses()["REMOVED"].values()) == 3
    assert await pool.find_clusters(taskforce.uuid) == []


async def test_a_removal_that_was_broken_off_by_a_kill_is_carried_through(tmp_path: Path, taskforce: Taskforce) -> None:
    first = LocalPool(tmp_path / "local-pool", n_slots=2, grace_s=30)
    await first.start()
    cluster = await first.submit_cluster(taskforce.submission("600", "0"))
    await first.release_cluster(taskforce.uuid, cluster.cluster_id)
    await eventually(lambda: taskforce.statuses() == {"RUNNING": {"Tasking": 2}, "IDLE": {"null": 1}})
    await first.remove_clusters(taskforce.uuid)
    # The pilots have not ended yet: what another pool finds now is what a killed one would have left.
    second = LocalPool(tmp_path / "local-pool", n_slots=2)
    await second.start()
    assert await second.find_clusters(taskforce.uuid) == []
    assert taskforce.statuses() == {"REMOVED": {"Tasking": 2, "null": 1}}
    await first.stop()


async def test_pilots_die_with_a_local_pool_that_is_killed_and_run_again(tmp_path: Path, taskforce: Taskforce) -> None:
    script = tmp_path / "host.py"
    script.write_text(
        "import asyncio, json, sys\n"
        "from pathlib import Path\n"
        "from tms.pools.local.pool import LocalPool\n"
        "from tms.jobs.submit_description import Submission\n"
        "async def main():\n"
        "    spec = json.loads(sys.argv[2])\n"
        "    spec = Submission(**{k: tuple(v) if isinstance(v, list) else v for k, v in spec.items()})\n"
        "    pool = LocalPool(Path(sys.argv[1]), n_slots=8)\n"
        "    await pool.start()\n"
        "    cluster = await pool.submit_cluster(spec)\n"
        "    await pool.release_cluster(spec.taskforce_uuid, cluster.cluster_id)\n"
        "    await asyncio.sleep(600)\n"
        "asyncio.run(main())\n"
    )
    spec = json.dumps(asdict(taskforce.submission("600", "0", n_workers=3)))
    host = await asyncio.create_subprocess_exec(
        sys.executable, str(script), str(tmp_path / "local-pool"), spec, env={"PYTHONPATH": str(Path.cwd())}
    )
    await eventually(lambda: taskforce.statuses() == {"RUNNING": {"Tasking": 3}})
    host.kill()
    await host.wait()
    await eventually(lambda: not [p for p in Path("/proc").iterdir() if p.name.isdigit() and taskforce.uuid in _cwd(p)])
    assert taskforce.statuses() == {"RUNNING": {"Tasking": 3}}
    pool = LocalPool(tmp_path / "local-pool", n_slots=8, grace_s=0.1)
    await pool.start()
    assert taskforce.files.log.read_bytes().count(b"004 (") == 3
    await eventually(lambda: taskforce.statuses() == {"RUNNING": {"Tasking": 3}})
    await pool.remove_clusters(taskforce.uuid)
    await eventually(lambda: taskforce.log().tally.removed)
    await pool.stop()


def _cwd(process: Path) -> str:
    try:
        return str((process / "cwd").readlink())
    except OSError:
        return ""
