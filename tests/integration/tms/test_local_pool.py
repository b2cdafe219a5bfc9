"""What the local pool owes its slots and its disk when something fails in the middle of a job."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from deploy.local.children.seclusion import CoveredDirectories
from schemas.pilot.exits import PilotExit
from schemas.pilot.job_names import TOKEN_FILE
from tests.integration.tms.conftest import Taskforce
from tests.waiting import eventually
from tms.pools.local import job_members
from tms.pools.local.control_groups import ControlGroups
from tms.pools.local.job import Job, MaxRuntimeReached, run
from tms.pools.local.job_members import await_ends, find_members
from tms.pools.local.pool import LocalPool
from tms.pools.local.token_delivery import replace_token


def job(tmp_path: Path, *command: str, input_files: tuple[str, ...] = ()) -> Job:
    return Job(
        name="1.0.test",
        command=command,
        environment={"PATH": "/usr/bin:/bin"},
        input_files=input_files,
        directory=tmp_path / "jobs" / "1.0",
        output=None,
        max_runtime_s=600,
        grace_s=0.1,
    )


def with_mark(name: str) -> list[Path]:
    """Return the living processes of a job."""
    found = []
    for process in Path("/proc").iterdir():
        try:
            if process.name.isdigit() and f"_EWMS_LOCAL_JOB={name}".encode() in (process / "environ").read_bytes():
                found.append(process)
        except OSError:
            continue
    return found


async def test_a_job_whose_files_are_not_there_leaves_no_directory(tmp_path: Path) -> None:
    (tmp_path / "there").write_text("x")
    files = (str(tmp_path / "there"), str(tmp_path / "missing"))
    with pytest.raises(FileNotFoundError):
        await run(job(tmp_path, "sleep", "600", input_files=files), started=lambda: None, chirped=lambda _: None)
    assert list((tmp_path / "jobs").iterdir()) == []


async def test_a_pilot_whose_start_cannot_be_logged_does_not_stay(tmp_path: Path) -> None:
    def started() -> None:
        assert with_mark("1.0.test")
        raise OSError("no space left on device")

    with pytest.raises(OSError, match="no space"):
        await run(job(tmp_path, "sleep", "600"), started=started, chirped=lambda _: None)
    assert with_mark("1.0.test") == []
    assert list((tmp_path / "jobs").iterdir()) == []


async def test_the_kernel_limits_the_memory_of_a_job_where_tms_may_make_control_groups(tmp_path: Path) -> None:
    # Root may make groups on most machines. Where TMS may not, the pilot's looks are the only limit.
    groups = ControlGroups.open_own()
    takes_much = (sys.executable, "-S", "-c", "bytearray(200 * 2**20)")
    limited = replace(job(tmp_path, *takes_much), group=groups.make_group(64 * 2**20))
    ended = await run(limited, started=lambda: None, chirped=lambda _: None)
    assert ended == (0 if limited.group is None else -signal.SIGKILL)
    assert limited.group is None or not limited.group.directory.exists()
    unlimited = replace(job(tmp_path, *takes_much), group=groups.make_group(400 * 2**20))
    assert await run(unlimited, started=lambda: None, chirped=lambda _: None) == 0


async def test_a_full_disk_costs_no_slot(tmp_path: Path) -> None:
    """The log refuses the word that a job has ended; the next runs in its place, and the word is said later."""
    first, second = Taskforce(tmp_path / "1"), Taskforce(tmp_path / "2")
    pool = LocalPool(tmp_path / "local-pool", n_slots=1, grace_s=0.1)
    await pool.start()
    go_on = tmp_path / "go-on"
    os.mkfifo(go_on)
    waits = replace(first.submission(n_workers=1), command=("/bin/sh", "-c", f"cat {go_on}; exit {PilotExit.CLOSED}"))
    for taskforce, spec in ((first, waits), (second, second.submission("0", "0", n_workers=1))):
        cluster = await pool.submit_cluster(spec)
        await pool.release_cluster(taskforce.uuid, cluster.cluster_id)
    await eventually(lambda: first.statuses() == {"RUNNING": {"null": 1}, "IDLE": {"null": 2}})
    assert "RUNNING" not in second.statuses()
    kept = first.files.log.with_name("job.log.kept")
    first.files.log.rename(kept)
    first.files.log.symlink_to("/dev/full")
    go_on.write_text("")
    await eventually(lambda: second.log().tally.removed)
    assert [cluster.taskforce_uuid for cluster in await pool.list_clusters()] == [first.uuid]
    first.files.log.unlink()
    kept.rename(first.files.log)
    assert await pool.list_clusters() == []
    assert first.log().tally.count_statuses()["COMPLETED"] == {"null": 1}
    assert first.log().tally.removed
    await pool.stop()


def test_a_token_that_cannot_be_put_into_place_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "token").mkdir()
    with pytest.raises(OSError, match="token"):
        replace_token(tmp_path, "token", b"new", os.getuid())
    assert [path.name for path in tmp_path.iterdir()] == ["token"]
    (tmp_path / "token").rmdir()
    replace_token(tmp_path, "token", b"new", os.getuid())
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("token", b"new")]


async def test_a_job_with_a_view_of_its_own_sees_its_directory_alone_and_gets_the_renewed_token(tmp_path: Path) -> None:
    (token := tmp_path / TOKEN_FILE).write_text("old")
    (tmp_path / "password").write_text("x")
    (tmp_path / "jobs/another").mkdir(parents=True)
    script = (
        f"until [ $(cat {TOKEN_FILE}) = new ]; do sleep 0.05; done; exec 1>/proc/self/fd/$EWMS_PILOT_HTCHIRP_FD; "
        f"find {tmp_path} -type f; ls {tmp_path} {tmp_path}/jobs; id -u; test -d /proc/{os.getpid()} && echo there; "
        f"cat /proc/{os.getpid()}/environ 2>/dev/null | wc -c; umount {tmp_path} 2>/dev/null || echo stays; "
        f"touch own {tmp_path}/new 2>/dev/null; ls"
    )
    one = job(tmp_path, "sh", "-c", script, input_files=(str(token),))
    one = replace(one, holder=tuple(CoveredDirectories((tmp_path,)).job_command()))
    said: list[str] = []

    def started() -> None:
        token.write_text("new")

    assert await run(one, started=started, chirped=said.append) == 0
    home = one.directory
    listed = [f"{tmp_path}:", "jobs", f"{tmp_path}/jobs:", "1.0"]
    seen = [f"{home}/{TOKEN_FILE}", *listed, str(os.getuid()), "there", "0", "stays", TOKEN_FILE, "own"]
    assert said == seen
    assert not (tmp_path / "new").exists()


async def test_a_job_with_a_view_of_its_own_ends_with_all_it_has_started(tmp_path: Path) -> None:
    has_begun = asyncio.Event()
    script = "setsid sleep 600 & echo begun >/proc/self/fd/$EWMS_PILOT_HTCHIRP_FD; sleep 600"
    one = replace(job(tmp_path, "sh", "-c", script), holder=tuple(CoveredDirectories((tmp_path,)).job_command()))
    running = asyncio.create_task(run(one, started=lambda: None, chirped=lambda _: has_begun.set()))
    async with asyncio.timeout(60):
        await has_begun.wait()
    assert len(with_mark("1.0.test")) >= 2
    running.cancel()
    await asyncio.wait([running])
    assert with_mark("1.0.test") == []


async def test_tms_looks_no_more_often_than_processes_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A killed process that takes its time to end makes TMS wait, not look again."""
    looks: list[set[int]] = []

    def find_and_count(leader: int, name: str, account: int | None) -> set[int]:
        looks.append(find_members(leader, name, account))
        return looks[-1]

    def kill_late(pid: int, number: int) -> None:
        asyncio.get_running_loop().call_later(0.3, send_signal, pid, number)

    send_signal = os.kill
    monkeypatch.setattr(job_members, "find_members", find_and_count)
    monkeypatch.setattr(os, "kill", kill_late)
    left_behind = "setsid sleep 600 </dev/null >/dev/null 2>&1 & echo"
    one = job(tmp_path, "sh", "-c", f"{left_behind}; {left_behind}; exit 3")
    assert await run(one, started=lambda: None, chirped=lambda _: None) == 3
    assert [bool(members) for members in looks] == [True, False]
    assert with_mark("1.0.test") == []


async def test_a_process_that_does_not_end_is_awaited_for_the_given_time_only() -> None:
    lasting = await asyncio.create_subprocess_exec("sleep", "600")
    pidfd = os.pidfd_open(lasting.pid)
    try:
        await await_ends([pidfd], timeout_s=0.05)
        assert lasting.returncode is None
        waiting = asyncio.create_task(await_ends([pidfd], timeout_s=60))
        lasting.kill()
        await waiting
        await await_ends([], timeout_s=60)
    finally:
        os.close(pidfd)
        await lasting.wait()


async def test_a_line_that_is_too_long_for_a_chirp_is_left_out_as_a_whole_and_the_next_are_heard(
    tmp_path: Path,
) -> None:
    script = (
        "import os; fd = int(os.environ['EWMS_PILOT_HTCHIRP_FD']); "
        "text = b'x' * 1_000_001 + b'\\nsecond\\n' + b'y' * 70_000 + b'\\n\\nthird\\n' + b'z' * 200_000\n"
        "while text: text = text[os.write(fd, text):]"
    )
    said: list[str] = []
    one = job(tmp_path, sys.executable, "-c", script)
    assert await run(one, started=lambda: None, chirped=said.append) == 0
    assert said == ["second", "third"]


@pytest.mark.parametrize(
    ("arguments", "max_runtime_s"),
    [
        (("exit", "0"), 600),
        (("exit", "1"), 600),
        (("exit", str(int(PilotExit.CLOSED))), 600),
        (("sleep",), 1),
        (("sleep",), 600),
    ],
    ids=["starts again", "pauses", "ends", "over its time", "runs"],
)
async def test_a_removed_job_ends_once_in_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], max_runtime_s: int
) -> None:
    """Its pilot may end in the moment in which the cluster is removed."""
    taskforce = Taskforce(tmp_path)
    pool = LocalPool(tmp_path / "local-pool", n_slots=1, grace_s=0.1)
    await pool.start()
    is_running = asyncio.Event()

    async def run_until_removed(job: Job, *, started: Callable[[], None], chirped: Callable[[str], None]) -> int:
        started()
        is_running.set()
        if arguments == ("sleep",) and max_runtime_s == 600:
            await asyncio.Event().wait()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            # It had ended by itself already.
            if max_runtime_s == 1:
                raise MaxRuntimeReached from None
            return int(arguments[1])
        return 0

    monkeypatch.setattr("tms.pools.local.job_runs.run", run_until_removed)
    cluster = await pool.submit_cluster(taskforce.submission(n_workers=1))
    await pool.release_cluster(taskforce.uuid, cluster.cluster_id)
    await asyncio.wait_for(is_running.wait(), 30)
    await pool.remove_clusters(taskforce.uuid)
    await eventually(lambda: taskforce.log().tally.removed)
    text = taskforce.files.log.read_text()
    ends = [line for line in text.splitlines() if line.startswith(("005 (", "009 ("))]
    assert len(ends) == 1, text
    await pool.stop()
