"""Logs, checkpoints, locks and input files on a real disk."""

import asyncio
import ctypes
import fcntl
import os
import sys
import threading
from pathlib import Path

import pytest

from schemas.ids import TaskforceUuid
from tms.clusters.input_files import InputFiles
from tms.errors import Unsubmittable
from tms.files import TaskforceFiles, TmsDirectory, write_private
from tms.log.inotify import DirectoryWatch
from tms.log.job_log import SLICE_BYTES, JobLog
from tms.pools.local.job import Job, MaxRuntimeReached, run

UUID = TaskforceUuid("TF-6b00e09f-926a610b-485d2fc0-57c5a8e4")


def record(kind: int, proc: int, text: str = "x") -> bytes:
    return f"{kind:03d} (007.{proc:03d}.000) 2026-11-21 01:30:05 {text}\n...\n".encode()


@pytest.fixture
def files(tmp_path: Path) -> TaskforceFiles:
    made = TaskforceFiles(tmp_path / UUID)
    made.create_directory()
    return made


def opened(files: TaskforceFiles) -> JobLog:
    joblog = JobLog(files, n_workers=4, cluster_id=None)
    joblog.load_checkpoint()
    joblog.read_new()
    return joblog


def test_a_restart_reads_only_what_is_new(files: TaskforceFiles) -> None:
    files.log.write_bytes(record(35, -1) + record(0, 0) + record(1, 0))
    first = opened(files)
    first.save_checkpoint()
    with files.log.open("ab") as log:
        log.write(record(1, 1))
    again = JobLog(files, n_workers=0, cluster_id=None)
    assert again.load_checkpoint()
    assert (again.offset, again.tally.cluster_id, again.tally.n_workers) == (first.offset, 7, 4)
    assert again.lag_bytes() == len(record(1, 1))
    again.read_new()
    assert again.tally.count_statuses() == {"RUNNING": {"null": 2}, "IDLE": {"null": 2}}


def test_a_torn_tail_is_read_once_it_is_whole(files: TaskforceFiles) -> None:
    whole = record(0, 0) + record(1, 0)
    files.log.write_bytes(whole[:-9])
    joblog = opened(files)
    assert joblog.tally.count_statuses() == {"IDLE": {"null": 4}}
    files.log.write_bytes(whole)
    assert joblog.read_new() is False
    assert joblog.tally.count_statuses() == {"RUNNING": {"null": 1}, "IDLE": {"null": 3}}


@pytest.mark.parametrize("how", ["truncated", "replaced", "rewritten"])
def test_a_log_that_is_another_is_read_from_its_beginning(files: TaskforceFiles, how: str) -> None:
    files.log.write_bytes(record(0, 0) + record(1, 0))
    joblog = opened(files)
    joblog.save_checkpoint()
    other = record(0, 1)
    match how:
        case "truncated":
            os.truncate(files.log, len(record(0, 0)))
            other = record(0, 0)
        case "replaced":
            files.log.with_suffix(".new").write_bytes(other)
            files.log.with_suffix(".new").rename(files.log)
        case "rewritten":
            # The same inode, and longer than it was: only its beginning tells.
            other = record(12, 2) * 5
            files.log.write_bytes(other)
    for follower in (joblog, JobLog(files, n_workers=4, cluster_id=None)):
        follower.load_checkpoint()
        assert follower.read_new() is True
        assert follower.offset == len(other)
        assert "RUNNING" not in follower.tally.count_statuses()


@pytest.mark.parametrize("damage", [b"", b"garbage", b"EWMS-CHECKPOINT 1\n{}\n"])
def test_a_checkpoint_that_cannot_be_read_is_none(files: TaskforceFiles, damage: bytes) -> None:
    files.log.write_bytes(record(0, 0) + record(1, 0))
    files.checkpoint.write_bytes(damage)
    joblog = JobLog(files, n_workers=4, cluster_id=None)
    assert not joblog.load_checkpoint()
    joblog.read_new()
    assert joblog.tally.count_statuses() == {"RUNNING": {"null": 1}, "IDLE": {"null": 3}}


def test_a_long_log_is_read_in_slices(files: TaskforceFiles) -> None:
    line = record(8, 0, "said by the job itself " + "x" * 1000)
    n_records = SLICE_BYTES * 2 // len(line)
    files.log.write_bytes(record(0, 0) + line * n_records + record(1, 0))
    joblog = JobLog(files, n_workers=1, cluster_id=None)
    n_reads = 0
    while joblog.lag_bytes():
        joblog.read_new()
        n_reads += 1
    assert n_reads == 3
    assert not joblog.is_behind
    assert joblog.tally.count_statuses() == {"RUNNING": {"null": 1}}


def test_a_record_longer_than_a_slice_is_read(files: TaskforceFiles) -> None:
    files.log.write_bytes(record(8, 0, "x" * (SLICE_BYTES + 5)) + record(1, 0))
    joblog = opened(files)
    while joblog.lag_bytes():
        joblog.read_new()
    assert joblog.tally.count_statuses() == {"RUNNING": {"null": 1}, "IDLE": {"null": 3}}


def test_behind_a_record_beyond_the_bound_reading_goes_on(
    files: TaskforceFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tms.log.job_log.SLICE_BYTES", 1024)
    monkeypatch.setattr("tms.log.job_log.MAX_RECORD_BYTES", 4096)
    files.log.write_bytes(record(0, 0) + record(8, 0, "x" * 10_000) + record(1, 0))
    joblog = opened(files)
    for _ in range(10):
        joblog.read_new()
        joblog.save_checkpoint()
    assert not joblog.is_behind
    assert joblog.lag_bytes() == 0
    assert joblog.n_corrupt
    assert joblog.tally.count_statuses() == {"RUNNING": {"null": 1}, "IDLE": {"null": 3}}
    with files.log.open("ab") as log:
        log.write(record(5, 0))
    again = JobLog(files, n_workers=4, cluster_id=None)
    assert again.load_checkpoint()
    again.read_new()
    assert again.tally.count_statuses() == {"COMPLETED": {"null": 1}, "IDLE": {"null": 3}}


def test_a_private_file_is_its_owners_only_from_the_first_moment(tmp_path: Path) -> None:
    path = tmp_path / "token"
    umask = os.umask(0)
    try:
        write_private(path, b"one")
        write_private(path, b"two")
    finally:
        os.umask(umask)
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"two", 0o600)
    assert list(tmp_path.iterdir()) == [path]


def test_an_id_that_is_a_path_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not the id"):
        TmsDirectory(tmp_path).taskforce_files(TaskforceUuid("../../etc"))


async def test_each_epoch_is_greater_and_the_lock_is_the_processes(tmp_path: Path) -> None:
    home = TmsDirectory(tmp_path / "tms")
    first = await home.acquire_lock()
    assert home.next_epoch() == first + 1
    waiting = asyncio.create_task(TmsDirectory(tmp_path / "tms").acquire_lock())
    done, _ = await asyncio.wait([waiting], timeout=0.3)
    assert not done
    home.release_lock()
    assert await waiting == first + 2
    with (tmp_path / "tms" / "lock").open("rb") as lock, pytest.raises(BlockingIOError):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


async def test_the_kernel_tells_of_changes_of_the_one_file(tmp_path: Path) -> None:
    heard: asyncio.Queue[set[Path]] = asyncio.Queue()
    watch = DirectoryWatch("job.log", heard.put_nowait)
    directories = [tmp_path / name for name in "abc"]
    for directory in directories:
        directory.mkdir()
        assert watch.add_directory(directory)
    watch.remove_directory(directories[2])
    for directory in directories:
        (directory / "checkpoint").write_text("not this one")
        (directory / "job.log").write_text("this one")
    told: set[Path] = set()
    async with asyncio.timeout(60):
        while told < {*directories[:2]}:
            told |= await heard.get()
    assert told == {*directories[:2]}
    assert not watch.add_directory(tmp_path / "missing")
    watch.close()


@pytest.fixture
def allowed(tmp_path: Path) -> Path:
    """A root with a file, a directory, and ways out of it; the TMS's own directory lies in it."""
    root, home = tmp_path / "in", tmp_path / "in" / "tms"
    home.mkdir(parents=True)
    (root / "geo.gz").write_text("x")
    (root / "run.sh").touch(0o755)
    (root / "dir" / "deeper").mkdir(parents=True)
    (root / "dir" / "deeper" / "a").write_text("aa")
    (tmp_path / "secret").write_text("canary")
    (root / "link").symlink_to(tmp_path / "secret")
    (root / "secret").symlink_to(tmp_path / "secret")
    (root / "token").symlink_to(home / "token")
    (home / "token").write_text("canary")
    (root / "bad").mkdir()
    (root / "bad" / "secret").symlink_to(tmp_path / "secret")
    (root / "piped").mkdir()
    os.mkfifo(root / "piped" / "pipe")
    os.mkfifo(root / "pipe")
    return root


def copied(allowed: Path, *names: str, max_bytes: int = 1000, roots: bool = True) -> list[str]:
    inputs = InputFiles([allowed] if roots else [], forbidden=[allowed / "tms", allowed / "keys"], max_bytes=max_bytes)
    return inputs.copy_files(names, allowed.parent / "copies")


def test_input_files_are_copied_from_under_the_roots(allowed: Path) -> None:
    copies = copied(allowed, f"{allowed}/geo.gz", f"{allowed}/dir/../run.sh", f"{allowed}/dir")
    assert [Path(copy).name for copy in copies] == ["geo.gz", "run.sh", "dir"]
    assert Path(copies[0]).read_text() == "x"
    assert [Path(copy).stat().st_mode & 0o777 for copy in copies] == [0o600, 0o700, 0o700]
    assert Path(copies[2], "deeper", "a").read_text() == "aa"
    # Once more, as after a crash: what is left of the first try does no harm.
    assert copied(allowed, f"{allowed}/geo.gz") == copies[:1]
    assert [path.name for path in (allowed.parent / "copies").iterdir()] == ["geo.gz"]
    assert copied(allowed) == []


HOSTILE_NAMES = [
    *("link", "secret", "token", "tms/token", "tms", "missing", "../secret", "", ".", "..", "dir/..", "geo.gz\n"),
    *("bad", "piped", "pipe", "geo.gz/", "geo.gz\0", "dir/../../secret"),
]


def test_nothing_else_is_copied(allowed: Path) -> None:
    names = [*(f"{allowed}/{name}" for name in HOSTILE_NAMES), "/etc/passwd", "in/geo.gz", "", "/dev/null", "/"]
    for name in [*names, str(allowed), str(allowed.parent), f"/proc/self/root{allowed}/../secret"]:
        with pytest.raises(Unsubmittable):
            copied(allowed, name)
        assert "canary" not in "".join(
            path.read_text() for path in (allowed.parent / "copies").rglob("*") if path.is_file()
        )
    with pytest.raises(Unsubmittable):
        copied(allowed, f"{allowed}/geo.gz", roots=False)
    with pytest.raises(Unsubmittable):
        copied(allowed, f"{allowed}/geo.gz", f"{allowed}/geo.gz")


def test_too_much_is_refused_before_it_fills_the_disk(allowed: Path) -> None:
    (allowed / "big").write_bytes(b"x" * 600)
    assert len(copied(allowed, f"{allowed}/big", f"{allowed}/dir", max_bytes=602)) == 2
    with pytest.raises(Unsubmittable, match="larger together than EWMS_INPUT_MAX_BYTES"):
        copied(allowed, f"{allowed}/big", f"{allowed}/dir", max_bytes=601)


def test_a_name_that_is_changed_while_it_is_looked_at_leads_nowhere_else(allowed: Path) -> None:
    """A user swaps a good file and a link to a secret as fast as he can; the secret is never copied."""
    name, stop = allowed / "x" / "secret", threading.Event()
    good, evil = allowed / "x", allowed / "y"
    good.mkdir()
    name.write_text("harmless")
    evil.symlink_to(allowed.parent)

    def swap() -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        while not stop.is_set():
            libc.renameat2(-100, bytes(good), -100, bytes(evil), 2)

    swapping = threading.Thread(target=swap)
    swapping.start()
    seen = set()
    try:
        for _ in range(2000):
            try:
                seen.add(Path(copied(allowed, str(name))[0]).read_text())
            except Unsubmittable:
                seen.add("refused")
    finally:
        stop.set()
        swapping.join()
    assert seen == {"harmless", "refused"}


def job(tmp_path: Path, script: str, **changes: float) -> Job:
    (tmp_path / "script.py").write_text(script)
    return Job(
        name="1.0.test",
        command=(sys.executable, str(tmp_path / "script.py")),
        environment={"PATH": "/usr/bin:/bin"},
        input_files=(),
        directory=tmp_path / "job",
        output=None,
        max_runtime_s=changes.get("max_runtime_s", 60),
        grace_s=changes.get("grace_s", 0.1),
    )


async def test_chirps_of_a_local_job_are_heard_line_by_line(tmp_path: Path) -> None:
    heard: list[str] = []
    script = (
        "import os\n"
        "fd = int(os.environ['EWMS_PILOT_HTCHIRP_FD'])\n"
        "os.write(fd, b'A: 1\\nB: 2\\n\\xff\\nhalf')\n"
        "os.write(fd, b' line\\n' + b'x' * 200_000 + b'\\nlast')\n"
    )
    assert await run(job(tmp_path, script), started=lambda: None, chirped=heard.append) == 0
    assert heard[:4] == ["A: 1", "B: 2", "\ufffd", "half line"]
    assert heard[-1] == "last"
    assert not (tmp_path / "job").exists()


async def test_a_local_job_ends_with_all_its_descendants_when_its_time_is_over(tmp_path: Path) -> None:
    script = (
        "import os, signal, subprocess, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "children = [subprocess.Popen(['sleep', '3600'], start_new_session=new) for new in (True, False)]\n"
        f"open({str(tmp_path / 'pids')!r}, 'w').write(' '.join(str(c.pid) for c in children))\n"
        "time.sleep(3600)\n"
    )
    with pytest.raises(MaxRuntimeReached):
        await run(job(tmp_path, script, max_runtime_s=1), started=lambda: None, chirped=lambda _: None)
    for pid in (tmp_path / "pids").read_text().split():
        stat = Path(f"/proc/{pid}/stat")
        assert not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] in "ZX"


async def test_what_a_pilot_leaves_behind_does_not_stay(tmp_path: Path) -> None:
    """It detached itself: its parent is gone, its session is new, and it knows how to close pipes."""
    script = (
        "import os, subprocess\n"
        "child = subprocess.Popen(['sleep', '3600'], start_new_session=True)\n"
        f"open({str(tmp_path / 'pid')!r}, 'w').write(str(child.pid))\n"
        "os._exit(4)\n"
    )
    assert await run(job(tmp_path, script), started=lambda: None, chirped=lambda _: None) == 4
    stat = Path("/proc", (tmp_path / "pid").read_text(), "stat")
    assert not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] in "ZX"
