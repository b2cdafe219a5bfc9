"""The life of old files on a real disk: compressed, packed, removed, each in its time (contract 7.5)."""

import gzip
import os
import tarfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from schemas.errors import NotFound
from schemas.ids import TaskforceUuid
from schemas.questions.worker_logs import LogAnswer, LogQuery, LogsQuery, LogStream
from tms.files import TaskforceFiles, TmsDirectory
from tms.log.job_log import JobLog
from tms.worker_logs.file_retention import FileRetention, RetentionAges
from tms.worker_logs.reading import list_logs, read_log

UUID = TaskforceUuid("TF-6b00e09f-926a610b-485d2fc0-57c5a8e4")
NOW = datetime(2026, 11, 21, tzinfo=UTC)
LOG = b"035 (007.-01.-01) 2026-11-21 01:30:05 Cluster submitted\n...\n" * 50


def aged(files: TaskforceFiles, age: timedelta) -> None:
    """Set back the times of all files."""
    at = (NOW - age).timestamp()
    for path in [*files.directory.rglob("*"), files.directory]:
        os.utime(path, (at, at), follow_symlinks=False)


@pytest.fixture
def home(tmp_path: Path) -> TmsDirectory:
    return TmsDirectory(tmp_path)


@pytest.fixture
def files(home: TmsDirectory) -> TaskforceFiles:
    """The files of a taskforce that is over."""
    made = home.taskforce_files(UUID)
    made.create_directory()
    made.log.write_bytes(LOG)
    joblog = JobLog(made, n_workers=1, cluster_id=None)
    joblog.read_new()
    joblog.is_over = True
    joblog.save_checkpoint()
    (made.directory / "cluster-7").mkdir()
    (made.directory / "cluster-7" / "0.out").write_text("said")
    return made


def tidy(home: TmsDirectory, *, busy: set[TaskforceUuid] | None = None, later: timedelta = timedelta()) -> None:
    FileRetention(home, RetentionAges()).tidy_files(busy or set(), now=NOW + later)


def test_nothing_young_or_busy_is_touched(home: TmsDirectory, files: TaskforceFiles) -> None:
    aged(files, timedelta(hours=23))
    before = sorted(home.root.rglob("*"))
    tidy(home)
    assert sorted(home.root.rglob("*")) == before
    aged(files, timedelta(days=300))
    tidy(home, busy={UUID})
    assert sorted(home.root.rglob("*")) == before


def test_a_quiet_log_is_compressed_and_its_checkpoint_still_tells_how_it_ended(
    home: TmsDirectory, files: TaskforceFiles
) -> None:
    aged(files, timedelta(days=1))
    tidy(home)
    assert not files.log.exists()
    assert gzip.decompress(files.packed_log.read_bytes()) == LOG
    assert files.packed_log.stat().st_mode & 0o777 == 0o600
    again = JobLog(files, n_workers=1, cluster_id=None)
    assert again.load_checkpoint()
    assert again.read_new() is False
    assert (again.is_over, again.tally.cluster_id) == (True, 7)


def test_the_log_of_a_taskforce_that_may_not_be_over_stays_a_week(home: TmsDirectory, files: TaskforceFiles) -> None:
    files.checkpoint.unlink()
    aged(files, timedelta(days=4))
    tidy(home)
    assert files.log.exists()
    FileRetention(home, RetentionAges(directory=timedelta(days=90))).tidy_files(set(), now=NOW + timedelta(days=3))
    assert files.packed_log.exists()


def test_a_compressed_log_is_removed_after_its_time(home: TmsDirectory, files: TaskforceFiles) -> None:
    aged(files, timedelta(days=7))
    keeper = FileRetention(home, RetentionAges(directory=timedelta(days=90)))
    keeper.tidy_files(set(), now=NOW)
    packed_at = NOW.timestamp()
    os.utime(files.packed_log, (packed_at, packed_at))
    keeper.tidy_files(set(), now=NOW + timedelta(days=6, hours=23))
    assert files.packed_log.exists()
    keeper.tidy_files(set(), now=NOW + timedelta(days=7))
    assert not files.packed_log.exists()
    assert (files.directory / "cluster-7" / "0.out").exists()


def test_a_quiet_taskforce_is_packed_without_its_token_and_then_removed(
    home: TmsDirectory, files: TaskforceFiles
) -> None:
    files.token.write_text("canary")
    (files.directory / "cluster-7" / "link").symlink_to("/etc/passwd")
    aged(files, timedelta(days=5))
    tidy(home)
    packed = files.directory.with_name(f"{UUID}.tar.gz")
    assert not files.directory.exists()
    assert packed.stat().st_mode & 0o777 == 0o600
    with tarfile.open(packed) as tar:
        names = tar.getnames()
        said = tar.extractfile(f"{UUID}/cluster-7/0.out")
        assert said
        assert said.read() == b"said"
        assert tar.getmember(f"{UUID}/cluster-7/link").issym()
    assert f"{UUID}/job.log" in names
    assert f"{UUID}/ewms_pilot_token" not in names
    os.utime(packed, (NOW.timestamp(), NOW.timestamp()))
    tidy(home, later=timedelta(days=4, hours=23))
    assert packed.exists()
    tidy(home, later=timedelta(days=5))
    assert list((home.root / "taskforces").iterdir()) == []


def test_a_crash_while_packing_leaves_the_original_and_is_made_good(home: TmsDirectory, files: TaskforceFiles) -> None:
    (home.root / "taskforces" / f".{UUID}.tar.gz.new").write_text("half")
    (files.directory / ".job.log.gz.new").write_text("half")
    aged(files, timedelta(days=2))
    tidy(home)
    assert gzip.decompress(files.packed_log.read_bytes()) == LOG
    assert not (home.root / "taskforces" / f".{UUID}.tar.gz.new").exists()


def test_one_taskforce_that_cannot_be_tidied_does_not_stop_the_others(
    home: TmsDirectory, files: TaskforceFiles
) -> None:
    broken = home.taskforce_files(TaskforceUuid(UUID[:-1] + "0"))
    broken.create_directory()
    broken.log.write_bytes(LOG)
    broken.packed_log.mkdir()
    aged(broken, timedelta(days=8))
    aged(files, timedelta(days=8))
    FileRetention(home, RetentionAges(directory=timedelta(days=90))).tidy_files(set(), now=NOW)
    assert not files.log.exists()


def test_an_old_log_in_a_directory_with_young_output_keeps_the_directory(
    home: TmsDirectory, files: TaskforceFiles
) -> None:
    aged(files, timedelta(days=30))
    young = (NOW - timedelta(hours=1)).timestamp()
    os.utime(files.directory / "cluster-7" / "0.out", (young, young))
    tidy(home)
    assert files.directory.exists()


def test_what_workers_wrote_can_be_read_until_their_archive_goes(home: TmsDirectory, files: TaskforceFiles) -> None:
    older = files.directory / "cluster-6"
    older.mkdir()
    (older / "0.out").write_text("an earlier cluster")
    (files.directory / "cluster-7" / "3.err").write_bytes(b"first line\nlast line\n")
    (files.directory / "cluster-7" / "4.err").symlink_to("/etc/passwd")
    before = list_logs(home, LogsQuery(taskforce_uuid=UUID))
    aged(files, timedelta(days=5))
    tidy(home)
    assert not files.directory.exists()
    after = list_logs(home, LogsQuery(taskforce_uuid=UUID))
    assert [(file.name, file.n_bytes) for file in after.files] == [(file.name, file.n_bytes) for file in before.files]
    assert [file.name for file in after.files] == ["0.out", "3.err"]
    assert [file.name for file in list_logs(home, LogsQuery(taskforce_uuid=UUID, first_proc=1)).files] == ["3.err"]
    query = LogQuery(taskforce_uuid=UUID, proc=3, stream=LogStream.ERR)
    assert read_log(home, query) == LogAnswer(data=b"first line\nlast line\n", offset=0, n_bytes=21)
    assert read_log(home, query.model_copy(update={"offset": -10})).data == b"last line\n"
    assert read_log(home, query.model_copy(update={"offset": 6, "max_bytes": 4})).data == b"line"
    assert read_log(home, query.model_copy(update={"offset": 99})).data == b""
    for missing in (query.model_copy(update={"proc": 9}), query.model_copy(update={"proc": 4})):
        with pytest.raises(NotFound):
            read_log(home, missing)


def test_workers_logs_beyond_their_share_go_and_nothing_else_of_their_taskforce(
    home: TmsDirectory, files: TaskforceFiles
) -> None:
    running = home.taskforce_files(TaskforceUuid(UUID[:-1] + "0"))
    (running.directory / "cluster-8").mkdir(parents=True)
    (running.directory / "cluster-8" / "0.err").write_bytes(b"x" * 100)
    FileRetention(home, RetentionAges(), max_log_bytes=50).tidy_files({TaskforceUuid(running.directory.name)}, now=NOW)
    assert not (files.directory / "cluster-7").exists()
    assert files.log.exists()
    assert (running.directory / "cluster-8" / "0.err").exists()
