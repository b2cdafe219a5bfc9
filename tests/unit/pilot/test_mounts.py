"""Which directories may be mounted."""

import pytest

from pilot.errors import MountRefused
from pilot.mounts import FORBIDDEN_SOURCES, READ_ONLY, Mount, check, check_path, check_together, external_mounts


@pytest.mark.parametrize("place", FORBIDDEN_SOURCES)
@pytest.mark.parametrize("below", ["", "/deeper"])
def test_the_hosts_own_places_are_never_mounted(place: str, below: str) -> None:
    with pytest.raises(MountRefused):
        check(Mount(place + below, "/inside", read_only=True))


@pytest.mark.parametrize("place", READ_ONLY)
def test_system_directories_are_mounted_read_only_at_most(place: str) -> None:
    check(Mount(f"{place}/x", "/inside", read_only=True))
    with pytest.raises(MountRefused):
        check(Mount(f"{place}/x", "/inside"))
    with pytest.raises(MountRefused):
        check(Mount("/data", f"{place}/x"))


@pytest.mark.parametrize("target", ["/proc", "/dev/shm", "/sys"])
def test_a_containers_own_places_are_not_written_over(target: str) -> None:
    with pytest.raises(MountRefused):
        check(Mount("/data", target))


@pytest.mark.parametrize("path", ["data", "", "/a/../b", "/a:b", "/a,b", "/a\nb", "/a\x1b[1m", "/a\0b"])
def test_a_path_that_a_runtime_would_misread_is_refused(path: str) -> None:
    with pytest.raises(MountRefused):
        check_path(path)


@pytest.mark.parametrize("path", ["/device", "/procession", "/runs/5", "/data"])
def test_a_name_that_only_begins_like_a_forbidden_one_is_allowed(path: str) -> None:
    check(Mount(path, path, read_only=True))


def test_external_directories_are_read_only_at_their_own_path() -> None:
    assert external_mounts(["/cvmfs/a/"], {"/cvmfs/a/": "/cvmfs/a"}, own="/job") == (
        Mount("/cvmfs/a", "/cvmfs/a", True),
    )


def test_a_link_into_a_forbidden_place_is_refused_like_the_place() -> None:
    with pytest.raises(MountRefused, match="/proc"):
        external_mounts(["/data/link"], {"/data/link": "/proc/1"}, own="/job")


def test_the_whole_host_is_not_an_external_directory() -> None:
    with pytest.raises(MountRefused):
        external_mounts(["/"], {"/": "/"}, own="/job")


def test_a_directory_that_does_not_exist_is_named() -> None:
    with pytest.raises(MountRefused, match="'/nowhere' is not a directory"):
        external_mounts(["/nowhere"], {}, own="/job")


def test_two_mounts_on_one_place_are_an_error() -> None:
    with pytest.raises(MountRefused, match="twice"):
        check_together([Mount("/a", "/x"), Mount("/b", "/x/")])


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/pool/execute/dir_7", False),
        ("/pool/execute/dir_7/data", True),
        ("/pool/execute/dir_8", False),
        ("/pool/execute/dir_8/data", False),
        ("/pool/execute", False),
        ("/pool", False),
        ("/pool/executed", True),
        ("/data", True),
    ],
)
def test_no_directory_with_a_pilots_token_is_shown_to_a_task(path: str, allowed: bool) -> None:
    def mounted() -> tuple[Mount, ...]:
        return external_mounts(["/seen"], {"/seen": path}, own="/pool/execute/dir_7", shared="/pool/execute")

    if allowed:
        assert mounted() == (Mount(path, "/seen", True),)
    else:
        with pytest.raises(MountRefused):
            mounted()


def test_a_pilot_by_itself_has_no_neighbours() -> None:
    mounts = external_mounts(["/home/eve/data"], {"/home/eve/data": "/home/eve/data"}, own="/home/eve/work")
    assert mounts == (Mount("/home/eve/data", "/home/eve/data", True),)
    with pytest.raises(MountRefused, match="further down"):
        external_mounts(["/home/eve"], {"/home/eve": "/home/eve"}, own="/home/eve/work")
