"""A build's directory is cleared in a sandbox only if something is there."""

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import pytest

from processes.builds.build_errors import BuildFailed
from processes.builds.build_place import BuildPlace
from processes.builds.sandbox.plan import list_beside
from processes.builds.sandbox.runner import SandboxRunner


class CountingRunner:
    """Removes plain files as a sandbox does, and notes what it was asked to remove."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []

    def clear(self, work: Path, names: Sequence[str]) -> None:
        self.asked.append(list(names))
        for path in (*(work / name for name in names), *(one for top in list_beside(work) for one in top.iterdir())):
            path.unlink()


def make_place(tmp_path: Path) -> tuple[BuildPlace, CountingRunner]:
    runner = CountingRunner()
    return BuildPlace(tmp_path / "builds/b1", cast(SandboxRunner, runner)), runner


def test_a_clean_place_needs_no_sandbox(tmp_path: Path) -> None:
    place, runner = make_place(tmp_path)
    for _ in range(2):
        place.prepare(without=["store", "image"])
        assert [path.is_dir() for path in (place.directory, *list_beside(place.directory))] == [True] * 3
    place.remove()
    place.remove()
    assert runner.asked == []
    assert list((tmp_path / "builds").iterdir()) == []


def test_one_sandbox_clears_the_directory_and_the_temporary_files(tmp_path: Path) -> None:
    place, runner = make_place(tmp_path)
    place.prepare()
    for path in (place.directory, *list_beside(place.directory)):
        (path / "left").touch()
    place.prepare(without=["left", "missing"])
    assert runner.asked == [["left"]]
    assert [list(path.iterdir()) for path in (place.directory, *list_beside(place.directory))] == [[], [], []]


def test_temporary_files_alone_are_removed_too(tmp_path: Path) -> None:
    place, runner = make_place(tmp_path)
    place.prepare()
    temporary, _ = list_beside(place.directory)
    (temporary / "left").touch()
    place.remove()
    assert runner.asked == [[]]
    assert list((tmp_path / "builds").iterdir()) == []


def test_a_link_in_place_of_a_directory_is_not_followed(tmp_path: Path) -> None:
    place, runner = make_place(tmp_path)
    (outside := tmp_path / "outside").mkdir()
    place.prepare()
    temporary, _ = list_beside(place.directory)
    temporary.rmdir()
    temporary.symlink_to(outside)
    with pytest.raises(BuildFailed, match=r"b1\.tmp is no directory"):
        place.prepare()
    assert outside.is_dir()
    assert runner.asked == []
