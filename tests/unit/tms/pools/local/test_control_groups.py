"""Where the groups of jobs are, in a directory that stands for the kernel's. Real groups: test_local_pool.py."""

import os
from pathlib import Path

import pytest

from tms.pools.local.control_groups import ControlGroups

ME = str(os.getpid())
LIMIT = 64 * 2**20
#: One eighth more.
KERNEL_LIMIT = str(72 * 2**20)


def make_group(directory: Path, **files: str) -> Path:
    """Make a directory with the files of a control group: `cgroup_procs` is `cgroup.procs`."""
    directory.mkdir(parents=True)
    for name, text in {"cgroup_procs": f"1\n{ME}\n", **files}.items():
        (directory / name.replace("_", ".", 1)).write_text(text)
    return directory


@pytest.fixture
def groups_file(tmp_path: Path) -> Path:
    return tmp_path / "cgroup"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "fs"


def test_version_1_limits_in_a_subgroup_of_its_own_one(groups_file: Path, root: Path) -> None:
    groups_file.write_text("5:cpu,cpuacct:/a\n4:memory:/services/tms\n0::/\n")
    own = make_group(root / "memory/services/tms", memory_use_hierarchy="1\n")
    groups = ControlGroups.open_own(groups_file, root)
    group = groups.make_group(LIMIT)
    assert group is not None
    assert group.directory.parent == own
    assert (group.directory / "memory.limit_in_bytes").read_text() == KERNEL_LIMIT
    group.add_process(4711)
    assert (group.directory / "cgroup.procs").read_text() == "4711"
    another = groups.make_group(LIMIT)
    assert another is not None
    assert another.directory != group.directory


def test_the_group_is_the_root_where_a_container_shows_only_that(groups_file: Path, root: Path) -> None:
    groups_file.write_text("4:memory:/docker/0123\n")
    own = make_group(root / "memory", memory_use_hierarchy="1\n")
    assert ControlGroups.open_own(groups_file, root).parent == own


def test_version_2_moves_away_and_switches_the_limit_on(groups_file: Path, root: Path) -> None:
    groups_file.write_text("0::/ewms.service\n")
    own = make_group(
        root / "ewms.service",
        cgroup_controllers="cpu memory pids\n",
        cgroup_subtree_control="",
        cgroup_procs=f"{ME}\n",
    )
    group = ControlGroups.open_own(groups_file, root).make_group(LIMIT)
    assert group is not None
    assert (own / "ewms-tms/cgroup.procs").read_text() == ME
    assert (own / "cgroup.subtree_control").read_text() == "+memory"
    assert (group.directory / "memory.max").read_text() == KERNEL_LIMIT


def test_version_2_moves_nobody_else(groups_file: Path, root: Path) -> None:
    groups_file.write_text("0::/session\n")
    own = make_group(root / "session", cgroup_controllers="memory\n", cgroup_subtree_control="")
    ControlGroups.open_own(groups_file, root)
    assert not (own / "ewms-tms").exists()


@pytest.mark.parametrize(
    ("line", "files"),
    [
        ("", {}),
        ("5:cpu:/tms", {"memory_use_hierarchy": "1"}),
        # The memory of subgroups would not count here.
        ("4:memory:/tms", {"memory_use_hierarchy": "0"}),
        # The group of somebody else.
        ("4:memory:/tms", {"memory_use_hierarchy": "1", "cgroup_procs": "1"}),
        ("0::/tms", {"cgroup_controllers": "cpu pids"}),
    ],
)
def test_elsewhere_there_are_none(line: str, files: dict[str, str], groups_file: Path, root: Path) -> None:
    groups_file.write_text(f"{line}\n")
    for directory in (root / "memory/tms", root / "tms"):
        make_group(directory, **files)
    groups = ControlGroups.open_own(groups_file, root)
    assert groups.parent is None
    assert groups.make_group(LIMIT) is None


def test_a_directory_that_is_not_writable_gives_no_groups(
    groups_file: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    groups_file.write_text("4:memory:/tms\n")
    make_group(root / "memory/tms", memory_use_hierarchy="1")

    def refuse(path: Path, *_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "mkdir", refuse)
    assert ControlGroups.open_own(groups_file, root).parent is None


def test_a_job_without_a_limit_has_no_group(groups_file: Path, root: Path) -> None:
    groups_file.write_text("4:memory:/tms\n")
    make_group(root / "memory/tms", memory_use_hierarchy="1")
    assert ControlGroups.open_own(groups_file, root).make_group(0) is None


def test_what_a_killed_tms_has_left_goes_and_that_of_others_stays(groups_file: Path, root: Path) -> None:
    groups_file.write_text("4:memory:/tms\n")
    own = make_group(root / "memory/tms", memory_use_hierarchy="1")
    left, of_another = own / "ewms-job-4194999-3", own / f"ewms-job-{os.getppid()}-1"
    left.mkdir()
    of_another.mkdir()
    ControlGroups.open_own(groups_file, root)
    assert not left.exists()
    assert of_another.exists()
