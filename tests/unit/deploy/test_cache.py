"""Where the cache lies, and when it is believed."""

import json
from pathlib import Path

import pytest
from rich.console import Console

from deploy.local import cache
from deploy.local.cache import cache_directory
from deploy.local.errors import LaunchError, PoolUnavailable
from deploy.local.prerequisites import check_platform


def _filled(root: Path, suite: str = "sid") -> Path:
    """Make a cache as a completed fill leaves it; return the stamp of its packages."""
    mongod = cache._mongod_directory(root)
    mongod.mkdir(parents=True)
    (mongod / ".ok").touch()
    directory = root / f"debian-{suite}-htcondor1-{cache._digest()}"
    directory.mkdir()
    stamp = directory / ".ok"
    stamp.write_text(json.dumps({"path": str(directory), "versions": {"rabbitmq": "4.3.6"}}))
    return stamp


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"XDG_CACHE_HOME": "/scratch/me", "HOME": "/home/me"}, "/scratch/me/ewms"),
        ({"XDG_CACHE_HOME": "", "HOME": "/home/me"}, "/home/me/.cache/ewms"),
        ({"HOME": "/home/me"}, "/home/me/.cache/ewms"),
    ],
)
def test_the_cache_lies_where_the_user_keeps_caches(environment: dict[str, str], expected: str) -> None:
    assert cache_directory(environment) == Path(expected)


def test_a_filled_cache_is_found_with_its_versions(tmp_path: Path) -> None:
    stamp = _filled(tmp_path)
    found = cache._find(tmp_path, allow_fallback=False)
    assert found is not None
    assert found.tree == stamp.parent / "tree"
    assert found.versions == {"rabbitmq": "4.3.6", "mongod": "6.0.5"}
    assert not found.is_fallback


def test_an_interrupted_fill_is_not_taken_for_a_whole_one(tmp_path: Path) -> None:
    _filled(tmp_path).unlink()
    assert cache._find(tmp_path, allow_fallback=True) is None


def test_a_moved_cache_is_not_believed_since_its_programs_name_their_old_place(tmp_path: Path) -> None:
    _filled(tmp_path / "old")
    (tmp_path / "old").rename(tmp_path / "new")
    assert cache._find(tmp_path / "new", allow_fallback=False) is None


def test_older_servers_are_taken_only_by_those_who_allow_them(tmp_path: Path) -> None:
    _filled(tmp_path, cache.FALLBACK_SUITE)
    assert cache._find(tmp_path, allow_fallback=False) is None
    found = cache._find(tmp_path, allow_fallback=True)
    assert found is not None
    assert found.is_fallback


def test_the_right_servers_win_over_older_ones(tmp_path: Path) -> None:
    _filled(tmp_path)
    older = tmp_path / f"debian-{cache.FALLBACK_SUITE}-htcondor0-{cache._digest()}"
    older.mkdir()
    (older / ".ok").write_text(json.dumps({"path": str(older), "versions": {}}))
    found = cache._find(tmp_path, allow_fallback=True)
    assert found is not None
    assert not found.is_fallback


def test_a_cache_that_cannot_be_written_is_said_with_a_remedy(tmp_path: Path) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.touch()
    with pytest.raises(LaunchError, match="cannot be written") as raised:
        cache.prepare(in_the_way / "ewms", Console(quiet=True))
    assert "XDG_CACHE_HOME" in str(raised.value)


@pytest.mark.parametrize(("system", "machine"), [("Darwin", "arm64"), ("Linux", "aarch64"), ("Windows", "AMD64")])
def test_another_kind_of_machine_is_named_with_the_way_out(system: str, machine: str) -> None:
    with pytest.raises(LaunchError) as raised:
        check_platform(system, machine)
    assert f"this is {system} on {machine}" in str(raised.value)
    assert "docker compose" in str(raised.value)


def test_an_error_tells_what_how_to_mend_it_and_the_log() -> None:
    error = PoolUnavailable("HTCondor ended", "read the log", log=Path("/run/condor.log"))
    assert str(error).splitlines() == ["HTCondor ended", "  to mend it: read the log", "  log: /run/condor.log"]
