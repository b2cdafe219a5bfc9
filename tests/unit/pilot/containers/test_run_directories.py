"""A run's directories go on to a later run only if nothing of the run is in them."""

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pilot.containers.run_directories import RunDirectories


def make_directories(path: Path, *, shared: bool = False) -> RunDirectories:
    return RunDirectories(str(path), shared=shared)


def begin_and_end(directories: RunDirectories, name: str, leave: Callable[[Path], object] = lambda _: None) -> bool:
    """Do what the pilot and a task do, and return whether the directory is kept."""
    directory = Path(directories.provide_directory(name))
    (directory / "task-io/infile").write_text("in")
    (directory / "outputs/stdoutfile").touch()
    (directory / "outputs/stderrfile").write_text("said")
    leave(directory)
    return directories.keep_directory(str(directory))


def list_tree(directory: str) -> list[str]:
    return sorted(str(path.relative_to(directory)) for path in Path(directory).rglob("*"))


def set_attribute(path: Path) -> None:
    try:
        os.setxattr(path, "user.note", b"from the run before")
    except OSError:
        pytest.skip("this file system has no attributes")


@pytest.fixture(params=["", "/dev/shm"])
def anywhere(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """Directories on two file systems: the size of a directory on a tmpfs follows what is in it."""
    if not request.param:
        yield tmp_path
        return
    if not os.access(request.param, os.W_OK):
        pytest.skip("this machine has no /dev/shm")
    with tempfile.TemporaryDirectory(dir=request.param) as directory:
        yield Path(directory)


def test_the_next_run_gets_the_same_directories_empty_and_under_its_own_name(anywhere: Path) -> None:
    tmp_path, directories = anywhere, make_directories(anywhere)
    assert begin_and_end(directories, "one", lambda at: (at / "task-io/outfile").write_text("out"))
    inode = (tmp_path / "one").stat().st_ino
    second = directories.provide_directory("two")
    assert second == str(tmp_path / "two")
    assert Path(second).stat().st_ino == inode
    assert list_tree(second) == ["home", "outputs", "task-io"]
    assert not (tmp_path / "one").exists()


def test_runs_at_the_same_time_have_different_directories(tmp_path: Path) -> None:
    directories = make_directories(tmp_path)
    assert begin_and_end(directories, "one")
    two, three = directories.provide_directory("two"), directories.provide_directory("three")
    assert Path(two).stat().st_ino != Path(three).stat().st_ino


@pytest.mark.parametrize(
    "leave",
    [
        lambda at: (at / "home/.cache").write_text("x"),
        lambda at: (at / "home/deep/er").mkdir(parents=True),
        lambda at: (at / "task-io/directory").mkdir(),
        lambda at: (at / "outputs/more").touch(),
        lambda at: (at / "beside").touch(),
        lambda at: (at / "outputs/stdoutfile").unlink(),
        lambda at: (at / "home").chmod(0o755),
        lambda at: at.chmod(0o755),
        lambda at: ((at / "home").rmdir(), (at / "home").symlink_to("/etc")),
        lambda at: ((at / "home").rmdir(), (at / "home").touch()),
        lambda at: set_attribute(at / "home"),
        lambda at: set_attribute(at / "task-io"),
        set_attribute,
    ],
)
def test_a_run_that_leaves_anything_else_has_the_last_word_in_its_directories(
    tmp_path: Path, leave: Callable[[Path], object]
) -> None:
    directories = make_directories(tmp_path)
    assert not begin_and_end(directories, "one", leave)
    assert list_tree(directories.provide_directory("two")) == ["home", "outputs", "task-io"]
    assert directories.take_kept() == []


def test_files_behind_a_link_that_the_task_left_stay(tmp_path: Path) -> None:
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious/file").touch()

    def swap(at: Path) -> None:
        (at / "task-io").rename(at / "moved")
        (at / "task-io").symlink_to(tmp_path / "precious")

    (tmp_path / "runs").mkdir()
    assert not begin_and_end(make_directories(tmp_path / "runs"), "one", swap)
    assert (tmp_path / "precious/file").exists()


@pytest.mark.parametrize(
    "plant",
    [
        lambda at: (at / "task-io/letter").write_text("from another run"),
        lambda at: (at / "home/.profile").write_text("from another run"),
        lambda at: (at / "outputs").chmod(0o500),
    ],
)
def test_what_another_task_put_into_kept_directories_reaches_no_run(
    tmp_path: Path, plant: Callable[[Path], object]
) -> None:
    directories = make_directories(tmp_path)
    assert begin_and_end(directories, "one")
    time.sleep(0.02)  # the clock of a file system may have steps of 10 ms
    plant(tmp_path / "one")
    second = directories.provide_directory("two")
    assert list_tree(second) == ["home", "outputs", "task-io"]
    assert Path(second, "outputs").stat().st_mode & 0o777 == 0o700
    (unfit,) = directories.take_unfit()
    assert Path(unfit).exists()
    assert directories.take_unfit() == []


def test_a_kept_directory_that_somebody_removed_is_made_again(tmp_path: Path) -> None:
    directories = make_directories(tmp_path)
    assert begin_and_end(directories, "one")
    (tmp_path / "one").rename(tmp_path / "gone")
    assert list_tree(directories.provide_directory("two")) == ["home", "outputs", "task-io"]


def test_directories_that_a_container_engine_writes_into_are_never_used_again(tmp_path: Path) -> None:
    directories = make_directories(tmp_path, shared=True)
    assert not begin_and_end(directories, "one")
    assert (tmp_path / "one/task-io").stat().st_mode & 0o777 == 0o777


def test_the_kept_directories_are_given_up_at_the_end(tmp_path: Path) -> None:
    directories = make_directories(tmp_path)
    assert begin_and_end(directories, "one")
    assert directories.take_kept() == [str(tmp_path / "one")]
    assert directories.take_kept() == []
