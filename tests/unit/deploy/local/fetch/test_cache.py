"""Where the cache lies, and when it is believed."""

import os
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from deploy.local.errors import LaunchError, PoolCannotStart
from deploy.local.fetch import cache, filling
from deploy.local.fetch.cache import cache_directory
from deploy.local.fetch.moved_cache import adopt_moved
from deploy.local.fetch.packages import ALL, BROKER, BUILDER_SETS, CONTAINERS, POOL, PYTHON_IMAGE, PackageSet


def _filled(root: Path, suite: str = "sid", sets: Collection[PackageSet] = ALL) -> None:
    """Make a cache as a completed fill leaves it."""
    _stamp(cache._mongod_directory(root), {})
    for one in sets:
        _stamp(root / cache._directory_name(suite, one, {one.wanted[0]: "1.2"}), {one.wanted[0]: "1.2"})


def _stamp(directory: Path, versions: Mapping[str, str]) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    filling.write_stamp(directory, versions)


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
    _filled(tmp_path)
    found = cache._find_installed(tmp_path, (BROKER, POOL), allow_fallback=False)
    assert found is not None
    assert found.broker.parent.name.startswith("broker-sid-rabbitmq-server1.2-")
    assert found.pool.parent.name.startswith("pool-sid-condor1.2-")
    assert found.versions == {"rabbitmq-server": "1.2", "condor": "1.2", "mongod": "6.0.5"}
    assert not found.is_fallback


def test_only_what_is_asked_for_must_be_there(tmp_path: Path) -> None:
    _filled(tmp_path, sets=(BROKER,))
    found = cache._find_installed(tmp_path, (BROKER,), allow_fallback=False)
    assert found is not None
    with pytest.raises(KeyError):
        _ = found.pool
    assert cache._find_installed(tmp_path, (BROKER, POOL), allow_fallback=True) is None


def test_mongod_comes_with_the_broker_and_with_nothing_else(tmp_path: Path) -> None:
    _filled(tmp_path)
    for stamp in tmp_path.glob("mongod-*/.ok"):
        stamp.unlink()
    found = cache._find_installed(tmp_path, (CONTAINERS, PYTHON_IMAGE), allow_fallback=False)
    assert found is not None
    assert "mongod" not in found.versions
    with pytest.raises(KeyError):
        _ = found.mongod
    assert cache._find_installed(tmp_path, (BROKER,), allow_fallback=False) is None
    assert not cache._name_mongod(tmp_path, BUILDER_SETS)


@pytest.mark.parametrize("torn", ["mongod-", "pool-"])
def test_an_interrupted_fill_is_not_taken_for_a_whole_one(tmp_path: Path, torn: str) -> None:
    _filled(tmp_path)
    (stamp,) = tmp_path.glob(f"{torn}*/.ok")
    stamp.rename(stamp.with_name(".ok.partial"))
    assert cache._find_installed(tmp_path, ALL, allow_fallback=True) is None


def test_a_moved_cache_is_not_believed_since_its_programs_name_their_old_place(tmp_path: Path) -> None:
    _filled(tmp_path / "old")
    (tmp_path / "old").rename(tmp_path / "new")
    assert cache._find_installed(tmp_path / "new", ALL, allow_fallback=False) is None


def test_a_cache_that_has_two_names_is_believed_under_both(tmp_path: Path) -> None:
    _filled(tmp_path / "old")
    (tmp_path / "name").symlink_to("old")
    assert cache._find_installed(tmp_path / "name", ALL, allow_fallback=False) is not None


def test_what_needs_no_new_loader_of_a_moved_cache_is_used_at_once_and_the_rest_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sets = (BROKER, PYTHON_IMAGE)
    _filled(tmp_path / "old", sets=sets)
    (tmp_path / "old").rename(tmp_path / "new")
    # A tree without its C library, as a copy that was cut off may have it.
    broken = tmp_path / "new" / cache._directory_name("sid", BROKER, {BROKER.wanted[0]: "1.2"}) / "tree/usr/lib"
    broken.mkdir(parents=True)
    adopt_moved(cache._all_directories(tmp_path / "new", sets), Console())
    assert cache._find_installed(tmp_path / "new", (PYTHON_IMAGE,), allow_fallback=False) is not None
    assert cache._find_installed(tmp_path / "new", sets, allow_fallback=False) is None
    said = capsys.readouterr().out
    assert said.count("then copied or moved; making it usable here") == 3
    assert "that failed, so fetching it again: " in said


def test_a_set_that_was_changed_is_not_found_and_the_others_are(tmp_path: Path) -> None:
    _filled(tmp_path)
    changed = replace(POOL, left_out=())
    assert cache._find_installed(tmp_path, (BROKER, changed), allow_fallback=False) is None
    assert cache._find_installed(tmp_path, (BROKER,), allow_fallback=False) is not None


def test_the_set_that_was_filled_last_is_taken(tmp_path: Path) -> None:
    _filled(tmp_path)
    newer = tmp_path / cache._directory_name("sid", BROKER, {"rabbitmq": "9"})
    _stamp(newer, {"rabbitmq": "9"})
    os.utime(newer / ".ok", (2**33, 2**33))
    found = cache._find_installed(tmp_path, (BROKER,), allow_fallback=False)
    assert found is not None
    assert found.broker.parent == newer


def test_older_servers_are_taken_only_by_those_who_allow_them(tmp_path: Path) -> None:
    _filled(tmp_path, cache.FALLBACK_SUITE)
    assert cache._find_installed(tmp_path, ALL, allow_fallback=False) is None
    found = cache._find_installed(tmp_path, ALL, allow_fallback=True)
    assert found is not None
    assert found.is_fallback


def test_sets_of_two_suites_are_not_mixed(tmp_path: Path) -> None:
    _filled(tmp_path, sets=(BROKER,))
    _filled(tmp_path, cache.FALLBACK_SUITE, sets=(POOL,))
    assert cache._find_installed(tmp_path, (BROKER, POOL), allow_fallback=True) is None


def test_the_right_servers_win_over_older_ones(tmp_path: Path) -> None:
    _filled(tmp_path, cache.FALLBACK_SUITE)
    _filled(tmp_path)
    found = cache._find_installed(tmp_path, ALL, allow_fallback=True)
    assert found is not None
    assert not found.is_fallback


def test_a_cache_that_cannot_be_written_is_said_with_a_remedy(tmp_path: Path) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.touch()
    with pytest.raises(LaunchError, match="cannot write to the cache") as raised:
        cache.prepare_cache(in_the_way / "ewms", Console(quiet=True))
    assert "XDG_CACHE_HOME" in str(raised.value)


def test_an_error_tells_what_how_to_mend_it_and_the_log() -> None:
    error = PoolCannotStart("HTCondor ended", "read the log", log=Path("/run/condor.log"))
    assert str(error).splitlines() == ["HTCondor ended", "  remedy: read the log", "  log: /run/condor.log"]
