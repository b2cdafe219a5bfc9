"""What of a worker a task may use: its image, and the directories that it asks to see."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from pilot.containers.allowed_paths import (
    SYSTEM,
    PathFacts,
    WorkerPlaces,
    check_image,
    external_mounts,
    looks_like_an_image,
)
from pilot.containers.held_paths import PinnedRuntime, look_at
from pilot.containers.mounts import Mount
from pilot.errors import ImageUnusable, MountRefused
from pilot.runtimes.bare import Bare
from schemas.rules.worker_paths import HOSTS_OWN, PILOT_DATA

PLACES = WorkerPlaces(
    own="/pool/execute/dir_7",
    shared="/pool/execute",
    protected=("/srv/tms", "/home/ada/.local/state/ewms"),
    external_roots=("/cvmfs", "/data", "/home/ada"),
)
ROOT_NAMES = frozenset({"etc", "proc", "dev", "usr"})


def directory(real: str, *, is_root: bool = False) -> PathFacts:
    return PathFacts(real, is_directory=True, is_root=is_root, names=ROOT_NAMES)


def mounts(path: str, looked: PathFacts | None, places: WorkerPlaces = PLACES) -> tuple[Mount, ...]:
    return external_mounts([path], {} if looked is None else {path: looked}, places)


def test_what_lies_below_an_open_root_is_seen_read_only_at_its_own_path() -> None:
    assert mounts("/cvmfs/a/", directory("/cvmfs/a")) == (Mount("/cvmfs/a", "/cvmfs/a", read_only=True),)
    assert mounts("/data/link", directory("/data/2026")) == (Mount("/data/2026", "/data/link", read_only=True),)


def test_nothing_is_open_unless_the_operator_opens_it() -> None:
    with pytest.raises(MountRefused, match="EWMS_EXTERNAL_ROOTS"):
        mounts("/cvmfs/a", directory("/cvmfs/a"), replace(PLACES, external_roots=()))


@pytest.mark.parametrize(
    ("path", "real", "rule"),
    [
        ("/", "/", "own file system"),
        ("/opt/x", "/opt/x", "is not open to tasks; choose a directory in /cvmfs, /data, /home/ada"),
        ("/data/link", "/etc", "it leads to /etc"),
        ("/data/link", "/proc/1", "it leads to /proc/1"),
        ("/cvmfs/../etc", "/etc", "without '..'"),
        ("data", "/data", "not an absolute path"),
        ("/data/a:/etc", "/data/a:", "':'"),
        ("/home/ada/.local/state/ewms/secrets", "/home/ada/.local/state/ewms/secrets", "a directory of EWMS itself"),
        ("/home/ada/.local", "/home/ada/.local", "a directory of EWMS itself"),
        ("/home/ada", "/home/ada", "a directory of EWMS itself"),
        ("/data/x", f"/data/x/{PILOT_DATA}/data-hub", "tasks can write"),
    ],
)
def test_what_a_task_may_not_see_is_named_with_the_rule(path: str, real: str, rule: str) -> None:
    with pytest.raises(MountRefused) as refused:
        mounts(path, directory(real))
    assert rule in refused.value.reason
    assert repr(path) in refused.value.reason
    assert ";" in refused.value.reason or "open is" in refused.value.reason


@pytest.mark.parametrize(
    ("real", "rule"),
    [
        ("/pool/execute/dir_7", "pilot's own files"),
        ("/pool/execute/dir_7/data", "jobs have their files"),
        ("/pool/execute/dir_8", "jobs have their files"),
        ("/pool/execute/dir_8/data", "jobs have their files"),
        ("/pool/execute", "own files"),
        ("/pool", "own files"),
    ],
)
def test_no_directory_with_a_pilots_token_is_shown_even_below_an_open_root(real: str, rule: str) -> None:
    with pytest.raises(MountRefused, match=rule):
        mounts("/pool/x", directory(real), replace(PLACES, external_roots=("/pool",)))
    assert mounts("/pool/y", directory("/pool/executed"), replace(PLACES, external_roots=("/pool",)))


def test_an_absent_directory_and_a_file_are_no_directories() -> None:
    for looked in (None, PathFacts("/data/f", is_directory=False)):
        with pytest.raises(MountRefused, match="'/data/f' is not a directory of this worker"):
            mounts("/data/f", looked)


@pytest.mark.parametrize(
    ("looked", "places"),
    [
        (directory("/images/reco"), PLACES),
        (PathFacts("/images/reco.sif", is_directory=False, is_image_file=True), PLACES),
        # It came with the job, as an input file.
        (directory("/pool/execute/dir_7/image"), PLACES),
        (directory("/pool/execute/dir_7/image"), replace(PLACES, protected=("/pool",))),
        (directory("/usr/images/reco"), replace(PLACES, image_roots=("/usr/images",))),
    ],
)
def test_a_task_runs_in_what_was_made_for_it(looked: PathFacts, places: WorkerPlaces) -> None:
    check_image("image", looked, places)


@pytest.mark.parametrize(
    ("looked", "rule"),
    [
        (directory("/"), "own file system"),
        (directory("/mnt/bound", is_root=True), "own file system"),
        *((directory(f"{place}/x"), "keeps for itself") for place in HOSTS_OWN),
        *((directory(place), "the worker's system") for place in SYSTEM),
        (directory("/usr/share"), "the worker's system"),
        (directory("/srv/tms/taskforces"), "a directory of EWMS itself"),
        (directory("/srv"), "a directory of EWMS itself"),
        (directory("/pool/execute/dir_7"), "the pilot's own files"),
        (directory("/pool"), "the pilot's own files"),
        (directory("/pool/execute/dir_8/image"), "jobs have their files"),
        (directory(f"/pool/execute/dir_7/{PILOT_DATA}/data-hub"), "tasks can write"),
        (
            PathFacts("/home/eve", is_directory=True, names=frozenset({"bin", "etc"})),
            "not look like a root file system",
        ),
        (PathFacts("/home/eve/notes", is_directory=False), "not an image file"),
        (PathFacts("/srv/tms/token", is_directory=False, is_image_file=True), "a directory of EWMS itself"),
    ],
)
def test_no_task_runs_in_what_was_not(looked: PathFacts, rule: str) -> None:
    with pytest.raises(ImageUnusable) as refused:
        check_image("/images/x", looked, PLACES)
    assert rule in refused.value.reason
    assert "'/images/x'" in refused.value.reason
    assert ";" in refused.value.reason


def test_images_lie_where_the_operator_says() -> None:
    places = replace(PLACES, image_roots=("/cvmfs",))
    check_image("/cvmfs/reco", directory("/cvmfs/reco"), places)
    with pytest.raises(ImageUnusable, match="EWMS_IMAGE_ROOTS"):
        check_image("/cvmfs/link", directory("/images/reco"), places)


def test_a_root_file_system_has_its_mount_points_and_programs() -> None:
    assert looks_like_an_image(ROOT_NAMES)
    assert looks_like_an_image({".singularity.d"})
    assert not looks_like_an_image({"bin", "etc", "lib", "usr"})
    assert not looks_like_an_image({"proc", "dev", "etc"})


def test_a_path_is_where_the_kernel_says_that_it_lies(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    seen = look_at(f"{tmp_path}/link/", inside=True)
    assert seen is not None
    assert seen[0] == PathFacts(str(tmp_path / "real"), is_directory=True)
    for path in ("/", "//", "/proc/self/root", "/proc/self/cwd/../../../../../../../..", f"/proc/{os.getpid()}/root/."):
        found = look_at(path, inside=False)
        assert found is not None
        assert found[0].is_root, path
    assert look_at(f"{tmp_path}/none", inside=True) is None
    assert look_at("a\0b", inside=True) is None


def test_an_image_file_is_known_by_what_is_in_it_not_by_its_name(tmp_path: Path) -> None:
    heads = {"a.sif": b"x" * 32 + b"SIF_MAGIC\0", "b.sqfs": b"hsqs....", "evil.sif": b"Bootstrap: scratch\n%setup\n id"}
    for name, head in heads.items():
        (tmp_path / name).write_bytes(head)
    os.mkfifo(tmp_path / "pipe.sif")
    found = {p.name: look_at(str(p), inside=True) for p in sorted(tmp_path.iterdir())}
    are_images = {name: seen[0].is_image_file for name, seen in found.items() if seen}
    assert are_images == {"a.sif": True, "b.sqfs": True, "evil.sif": False, "pipe.sif": False}


def test_a_container_does_not_start_when_what_was_checked_is_exchanged(tmp_path: Path) -> None:
    image = tmp_path / "image"
    image.mkdir()
    seen = look_at(str(image), inside=True)
    assert seen is not None
    runtime = PinnedRuntime(Bare({}), (seen[1],))
    assert runtime.build_command(["true"], {}, (), "run").argv == ("true",)
    image.rename(tmp_path / "was")
    image.symlink_to("/etc")
    with pytest.raises(OSError, match="was exchanged after the pilot began"):
        runtime.build_command(["true"], {}, (), "run")
    image.unlink()
    with pytest.raises(FileNotFoundError):
        runtime.build_command(["true"], {}, (), "run")
