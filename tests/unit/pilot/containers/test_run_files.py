"""A run's files, and what a task may leave where its outfile should be."""

import os
from pathlib import Path

import pytest

from pilot.containers.run_files import RunFiles, WorkDirectory, read_outfile, read_tail, remove_run, remove_tree
from pilot.failures.failure import Failure
from schemas.broker.topology import MAX_EVENT_BYTES


@pytest.fixture
def work(tmp_path: Path) -> WorkDirectory:
    work = WorkDirectory(str(tmp_path), infile_ext="in", outfile_ext="json")
    work.make_directories()
    return work


def outfile(files: RunFiles) -> Path:
    return Path(files.task_io, files.outfile)


def test_the_layout_is_the_contracts(work: WorkDirectory, tmp_path: Path) -> None:
    files = work.begin_run(b"payload")
    base = tmp_path / "ewms-pilot-data" / files.name
    assert (base / "task-io" / f"infile-{files.name}.in").read_bytes() == b"payload"
    assert files.outfile == f"outfile-{files.name}.json"
    assert Path(files.stdout) == base / "outputs" / "stdoutfile"
    assert Path(work.data_hub) == tmp_path / "ewms-pilot-data" / "data-hub"
    assert (tmp_path / "ewms-pilot-data").stat().st_mode & 0o077 == 0


def test_runs_do_not_share_files(work: WorkDirectory) -> None:
    assert work.begin_run(b"").directory != work.begin_run(b"").directory


def test_a_source_has_no_infile(work: WorkDirectory) -> None:
    files = work.begin_run(None)
    assert files.infile == ""
    assert list(Path(files.task_io).iterdir()) == []


def test_an_outfile_is_read_whole_and_a_missing_one_is_none(work: WorkDirectory) -> None:
    files = work.begin_run(b"")
    assert read_outfile(files) is None
    outfile(files).write_bytes(b"x" * MAX_EVENT_BYTES)
    assert read_outfile(files) == b"x" * MAX_EVENT_BYTES


def test_a_link_a_pipe_and_a_directory_are_no_outfiles(work: WorkDirectory, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("hush")
    for make in (
        lambda path: path.symlink_to(tmp_path / "secret"),
        os.mkfifo,
        lambda path: path.mkdir(),
    ):
        files = work.begin_run(b"")
        make(outfile(files))
        failure = read_outfile(files)
        assert isinstance(failure, Failure)
        assert not failure.final


def test_an_outfile_over_the_limit_is_given_up_and_not_read(work: WorkDirectory) -> None:
    files = work.begin_run(b"")
    with outfile(files).open("wb") as file:
        file.truncate(1 << 40)
    failure = read_outfile(files)
    assert isinstance(failure, Failure)
    assert failure.final


def test_a_tidy_run_is_removed_at_once_and_a_littering_one_as_a_tree(work: WorkDirectory) -> None:
    files = work.begin_run(b"")
    for path in (files.stdout, files.stderr, f"{files.task_io}/extra"):
        Path(path).touch()
    assert remove_run(files)
    assert not Path(files.directory).exists()

    files = work.begin_run(b"")
    Path(files.stdout).touch()
    deep = Path(files.task_io, "a/b")
    deep.mkdir(parents=True)
    (deep / "file").touch()
    deep.chmod(0o000)
    assert not remove_run(files)
    remove_tree(files.directory)
    assert not Path(files.directory).exists()


def test_removing_a_run_does_not_follow_links_out_of_it(work: WorkDirectory, tmp_path: Path) -> None:
    (tmp_path / "precious").mkdir(mode=0o500)
    (tmp_path / "precious/file").touch() if os.geteuid() == 0 else None
    files = work.begin_run(b"")
    Path(files.task_io, "sub").mkdir()
    Path(files.task_io, "sub/link").symlink_to(tmp_path / "precious")
    remove_tree(files.directory)
    assert (tmp_path / "precious").exists()
    assert (tmp_path / "precious").stat().st_mode & 0o777 == 0o500


def test_only_the_end_of_a_long_output_is_read(tmp_path: Path) -> None:
    (tmp_path / "out").write_bytes(b"x" * 1000 + b"end")
    assert read_tail(str(tmp_path / "out"), 3) == "end"
    assert read_tail(str(tmp_path / "nothing")) == ""
