"""What the local pool owes its slots and its disk when something fails in the middle of a job."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from tests.integration.tms.conftest import Taskforce
from tests.integration.tms.process import until
from tms.pools.local import LocalPool
from tms.pools.localjob import Job, run
from tms.pools.localtoken import replace_token


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


async def test_a_full_disk_costs_no_slot(tmp_path: Path) -> None:
    """The log refuses the word that a job has ended; the next runs in its place, and the word is said later."""
    first, second = Taskforce(tmp_path / "1"), Taskforce(tmp_path / "2")
    pool = LocalPool(tmp_path / "local-pool", n_slots=1, grace_s=0.1)
    await pool.start()
    go_on = tmp_path / "go-on"
    os.mkfifo(go_on)
    waits = replace(first.submission(n_workers=1), command=("/bin/cat", str(go_on)))
    for taskforce, spec in ((first, waits), (second, second.submission("0", "0", n_workers=1))):
        cluster = await pool.submit(spec)
        await pool.release(taskforce.uuid, cluster.cluster_id)
    await until(lambda: first.statuses() == {"RUNNING": {"null": 1}, "IDLE": {"null": 2}})
    assert "RUNNING" not in second.statuses()
    kept = first.files.log.with_name("job.log.kept")
    first.files.log.rename(kept)
    first.files.log.symlink_to("/dev/full")
    go_on.write_text("")
    await until(lambda: second.log().tally.removed)
    assert [cluster.taskforce_uuid for cluster in await pool.clusters()] == [first.uuid]
    first.files.log.unlink()
    kept.rename(first.files.log)
    assert await pool.clusters() == []
    assert first.log().tally.compound()["COMPLETED"] == {"null": 1}
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
