"""A run directory is its launcher's while that lives; nobody's directory fills the disk."""

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.files.run_directory import run_directory, sweep_directories

DAY_S = 86_400


@pytest.fixture(autouse=True)
def base(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A directory for run directories that is short enough to be taken."""
    with tempfile.TemporaryDirectory(prefix="b") as directory:
        before, tempfile.tempdir = tempfile.tempdir, directory
        yield Path(directory)
        tempfile.tempdir = before


def _abandoned(base: Path, name: str = "ewms-killed") -> Path:
    """Leave what a killed launcher leaves."""
    directory = base / name
    (directory / "logs").mkdir(parents=True)
    (directory / "mongodb").mkdir()
    (directory / ".lock").touch()
    return directory


def test_a_launch_that_ends_well_leaves_nothing(base: Path) -> None:
    with run_directory() as run:
        assert run.parent == base
        assert (run / "logs").is_dir()
        assert run.stat().st_mode & 0o077 == 0
    assert list(base.iterdir()) == []


def test_a_launch_that_fails_leaves_its_logs_alone(base: Path) -> None:
    runs = []

    def failing() -> None:
        with run_directory() as run:
            runs.append(run)
            (run / "mongodb").mkdir()
            (run / "logs/mongod.log").write_text("the disk is on fire")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        failing()
    (run,) = runs
    assert (run / "logs/mongod.log").read_text() == "the disk is on fire"
    assert not (run / "mongodb").exists()


def test_a_launch_that_fails_before_it_starts_anything_leaves_nothing(base: Path) -> None:
    with pytest.raises(RuntimeError), run_directory():
        raise RuntimeError
    assert list(base.iterdir()) == []


def test_logs_can_be_asked_for(base: Path) -> None:
    with run_directory(keep_logs=lambda: True) as run:
        (run / "logs/mongod.log").touch()
    assert (run / "logs/mongod.log").exists()


def test_an_interruption_is_no_failure(base: Path) -> None:
    with pytest.raises(KeyboardInterrupt), run_directory():
        raise KeyboardInterrupt
    assert list(base.iterdir()) == []


def test_what_a_killed_launcher_left_is_gone_at_the_next_start(base: Path) -> None:
    abandoned = _abandoned(base)
    with run_directory():
        assert not abandoned.exists()


def test_a_living_launchers_directory_is_left_alone(base: Path) -> None:
    with run_directory() as one:
        with run_directory() as other:
            assert one.exists()
            assert one != other
        assert one.exists()


def test_kept_logs_stay_for_days_and_not_for_ever(base: Path) -> None:
    logs = _abandoned(base)
    (logs / "mongodb").rmdir()
    sweep_directories(base, now=time.time() + 2 * DAY_S)
    assert logs.exists()
    sweep_directories(base, now=time.time() + 4 * DAY_S)
    assert not logs.exists()


def test_a_directory_that_is_being_made_is_not_taken(base: Path) -> None:
    being_made = base / ".ewms-new-x"
    being_made.mkdir()
    sweep_directories(base, now=time.time())
    assert being_made.exists()
    sweep_directories(base, now=time.time() + DAY_S)
    assert not being_made.exists()


def test_links_and_strangers_are_left_alone(base: Path) -> None:
    (elsewhere := base / "elsewhere").mkdir()
    (elsewhere / ".lock").touch()
    (base / "ewms-link").symlink_to(elsewhere)
    (stranger := base / "ewms-without-lock").mkdir()
    sweep_directories(base, now=time.time() + 100 * DAY_S)
    assert (elsewhere / ".lock").exists()
    assert stranger.exists()
