"""A data directory belongs to one user and one launcher, and nothing that is not EWMS's is touched in it."""

import os
import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from deploy.local.errors import LaunchError
from deploy.local.system.data_directory import (
    MARKER,
    DataDirectory,
    check_disk,
    claim_data_directory,
    default_directory,
    delete_data,
    file_system_kind,
    throwaway_data,
)
from deploy.local.system.kept_facts import KeptFacts

FOLDER = Path("/home/ada/ewms")


def _opened(root: Path) -> DataDirectory:
    with claim_data_directory(root, folder=FOLDER) as data:
        return data


def _refused(root: Path, reason: str) -> None:
    before = sorted(root.iterdir()) if root.is_dir() else None
    with pytest.raises(LaunchError, match=reason), claim_data_directory(root, folder=FOLDER):
        pytest.fail("it was taken")
    assert (sorted(root.iterdir()) if root.is_dir() else None) == before


def test_a_new_directory_is_private_and_a_later_launch_finds_what_was_kept(tmp_path: Path) -> None:
    root = tmp_path / "a blank" / "data"
    with claim_data_directory(root, folder=FOLDER) as data:
        assert stat.S_IMODE(root.stat().st_mode) == 0o700
        assert stat.S_IMODE(data.secrets.stat().st_mode) == 0o700
        assert stat.S_IMODE(data.make_place("tms", "condor").stat().st_mode) == 0o700
        data.save_facts(replace(data.facts, ports={"amqp": 20_001}, pool="local"))
    kept = _opened(root)
    assert kept.facts == KeptFacts(folder=str(FOLDER), pool="local", ports={"amqp": 20_001})
    assert kept.is_kept
    assert stat.S_IMODE((root / MARKER).stat().st_mode) == 0o600


def test_each_folder_has_its_own_directory_below_the_users_state(tmp_path: Path) -> None:
    homes = {"HOME": "/home/ada"}
    one = default_directory(Path("/src/ewms"), homes)
    assert one.parent == Path("/home/ada/.local/state/ewms")
    assert one.name.startswith("ewms-")
    assert one == default_directory(Path("/src/ewms"), homes)
    assert one != default_directory(Path("/src2/ewms"), homes)
    assert default_directory(tmp_path, {**homes, "XDG_STATE_HOME": "/state"}).parent == Path("/state/ewms")
    assert default_directory(tmp_path, {**homes, "XDG_STATE_HOME": "state"}).parent == one.parent
    assert default_directory(Path("/"), homes).name.startswith("root-")
    with pytest.raises(LaunchError, match="HOME"):
        default_directory(tmp_path, {})


def test_a_second_launcher_is_told_who_has_the_data(tmp_path: Path) -> None:
    with claim_data_directory(tmp_path / "data", folder=FOLDER):
        _refused(tmp_path / "data", rf"in use by process {os.getpid()} on .*, started in {FOLDER}")
    _opened(tmp_path / "data")


def _foreign(root: Path) -> None:
    root.mkdir()
    (root / "thesis.tex").touch()


def _writable(root: Path) -> None:
    root.mkdir()
    root.chmod(0o770)


def _open_to_all(root: Path) -> None:
    _opened(root)
    root.chmod(0o777)


def _link(root: Path) -> None:
    _opened(root.with_name("real"))
    root.symlink_to("real")


def _broken(root: Path) -> None:
    _opened(root)
    (root / MARKER).write_text("{")


@pytest.mark.parametrize(
    ("prepare", "reason"),
    [
        (_foreign, "thesis.tex"),
        (_writable, "other users may write"),
        (_open_to_all, "other users may write"),
        (_link, "symbolic link"),
        (Path.touch, "not a directory"),
        (_broken, "cannot read"),
    ],
)
def test_a_directory_that_is_not_safely_ours_is_refused_and_left_alone(
    tmp_path: Path, prepare: Callable[[Path], None], reason: str
) -> None:
    prepare(tmp_path / "data")
    _refused(tmp_path / "data", reason)


def test_a_directory_of_another_user_is_refused(tmp_path: Path) -> None:
    root, other = Path("/usr"), 0
    if os.getuid() == 0:
        root, other = tmp_path / "data", 65534
        _opened(root)
        os.chown(root, other, other)
    _refused(root, f"belongs to user id {other}")


@pytest.mark.parametrize("name", ["a$b", 'a"b', "a\nb", "a,b", "a#b"])
def test_a_path_that_servers_misread_is_refused(tmp_path: Path, name: str) -> None:
    _refused(tmp_path / name, "misread")
    assert not (tmp_path / name).exists()


def test_what_cannot_be_made_is_told_with_its_reason(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    _refused(tmp_path / "file/data", "Not a directory|File exists")


def test_an_empty_directory_of_ours_that_others_can_read_is_taken_and_closed(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir(mode=0o755)
    _opened(tmp_path / "data")
    assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700


def test_emptying_deletes_ours_and_leaves_the_rest(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").touch()
    with claim_data_directory(tmp_path / "data", folder=FOLDER) as data:
        (data.make_place("tms", "local") / "epoch").touch()
        (data.secrets / "key").touch()
        (data.root / "notes.txt").touch()
        (data.root / "condor").symlink_to(outside)
        data.save_facts(replace(data.facts, ports={"amqp": 20_001}, pool="local", is_in_use=True))
        delete_data(data)
        assert data.facts == KeptFacts(folder=str(FOLDER))
    assert {entry.name for entry in (tmp_path / "data").iterdir()} == {MARKER, "lock", "notes.txt"}
    assert (outside / "kept").exists()


def test_an_interrupted_emptying_is_finished_by_the_next_start(tmp_path: Path) -> None:
    with claim_data_directory(tmp_path / "data", folder=FOLDER) as data:
        (data.make_place("rabbitmq") / "queue").touch()
        (data.root / "emptying").touch()
    _opened(tmp_path / "data")
    assert {entry.name for entry in (tmp_path / "data").iterdir()} == {MARKER, "lock"}


def test_the_kind_of_file_system_is_that_of_the_nearest_mount_point() -> None:
    mounts = (
        "/dev/vda / ext4 rw 0 0\nserver:/h /home nfs4 rw 0 0\ntmpfs /home/ada/a\\040b tmpfs rw 0 0\n"
        "server:/h2 /homes nfs rw 0 0\nbroken\n"
    )
    assert file_system_kind(Path("/srv/data"), mounts) == "ext4"
    assert file_system_kind(Path("/home/ada/data"), mounts) == "nfs4"
    assert file_system_kind(Path("/home/ada/a b/data"), mounts) == "tmpfs"
    assert file_system_kind(Path("/srv"), "") == ""


def test_a_disk_without_room_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = throwaway_data(tmp_path)
    monkeypatch.setattr("deploy.local.system.data_directory._LEAST_FREE_MB", 10**9)
    with pytest.raises(LaunchError, match="MB left"):
        check_disk(data)
