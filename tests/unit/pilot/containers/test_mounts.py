"""Which mounts a container runtime may be told to make."""

import pytest

from pilot.containers.mounts import READ_ONLY, Mount, check_mount, check_path, check_targets
from pilot.errors import MountRefused
from schemas.rules.worker_paths import HOSTS_OWN


@pytest.mark.parametrize("place", HOSTS_OWN)
@pytest.mark.parametrize("below", ["", "/deeper"])
def test_the_hosts_own_places_are_never_mounted(place: str, below: str) -> None:
    with pytest.raises(MountRefused):
        check_mount(Mount(place + below, "/inside", read_only=True))


@pytest.mark.parametrize("place", READ_ONLY)
def test_system_directories_are_mounted_read_only_at_most(place: str) -> None:
    check_mount(Mount(f"{place}/x", "/inside", read_only=True))
    with pytest.raises(MountRefused):
        check_mount(Mount(f"{place}/x", "/inside"))
    with pytest.raises(MountRefused):
        check_mount(Mount("/data", f"{place}/x"))


@pytest.mark.parametrize("target", ["/proc", "/dev/shm", "/sys"])
def test_a_containers_own_places_are_not_written_over(target: str) -> None:
    with pytest.raises(MountRefused):
        check_mount(Mount("/data", target))


@pytest.mark.parametrize("path", ["data", "", "/a/../b", "/a:b", "/a,b", '/a"b', "/a\nb", "/a\x1b[1m", "/a\0b"])
def test_a_path_that_a_runtime_would_misread_is_refused(path: str) -> None:
    with pytest.raises(MountRefused):
        check_path(path)


@pytest.mark.parametrize("path", ["/device", "/procession", "/runs/5", "/data"])
def test_a_name_that_only_begins_like_a_forbidden_one_is_allowed(path: str) -> None:
    check_mount(Mount(path, path, read_only=True))


def test_two_mounts_on_one_place_are_an_error() -> None:
    with pytest.raises(MountRefused, match="twice"):
        check_targets([Mount("/a", "/x"), Mount("/b", "/x/")])
