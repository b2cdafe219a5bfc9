"""What is said of a disk on which the cache does not fit."""

import errno
from pathlib import Path

import pytest

from deploy.local.errors import LaunchError
from deploy.local.fetch import disk_space, packages


def test_too_small_a_disk_is_told_before_anything_is_downloaded(tmp_path: Path) -> None:
    disk_space.check_disk_space(tmp_path, ["mongod"], free_mb=599)
    with pytest.raises(LaunchError, match="has 599 MB left, and mongod, broker need 600 MB") as raised:
        disk_space.check_disk_space(tmp_path, ["mongod", "broker"], free_mb=599)
    assert "XDG_CACHE_HOME" in raised.value.remedy


def test_every_set_has_its_size() -> None:
    assert disk_space.PARTS_MB.keys() == {
        "mongod",
        *(one.name for one in (*packages.ALL, packages.BUILDER)),
        *(one.name for one in (packages.IMAGE_REGISTRY, packages.POSTGRESQL, packages.PROMETHEUS, packages.BROWSER)),
    }


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_disk_that_is_full_all_the_same_is_named_as_such(tmp_path: Path, number: int) -> None:
    assert "is full" in str(disk_space.explain_error(OSError(number, "no"), tmp_path, free_mb=99))


def test_whatever_a_helper_said_when_the_disk_was_full_was_about_that(tmp_path: Path) -> None:
    error = LaunchError("apt-get could not get the lists: no reason given", "check the network")
    assert disk_space.explain_error(error, tmp_path, free_mb=99) is error
    assert "is full" in str(disk_space.explain_error(error, tmp_path, free_mb=0))


def test_another_failure_of_the_disk_is_told_in_its_own_words(tmp_path: Path) -> None:
    said = str(
        disk_space.explain_error(PermissionError(errno.EACCES, "Permission denied", "/cache/x"), tmp_path, free_mb=99)
    )
    assert "Permission denied: '/cache/x'" in said
    assert str(tmp_path) in said
