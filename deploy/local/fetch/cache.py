"""Find the services' programs in the cache, and download the missing ones once.

$XDG_CACHE_HOME/ewms/
  lock                                        a process locks it while it fills the cache
  mongod-<digest>/bin/mongod  .ok
  broker-sid-<versions>-<digest>/tree/usr/…   .ok     <- written last: without it a fill is incomplete
  pool-…  containers-…  python-image-…                a directory for each set of packages, filled at its first use
"""

import contextlib
import fcntl
import hashlib
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from deploy.local.children.helper_programs import HelperPrograms
from deploy.local.choices.prerequisites import find_patchelf, find_tool
from deploy.local.errors import LaunchError
from deploy.local.fetch import mongodb_wheel, packages
from deploy.local.fetch.debian import PrivateApt
from deploy.local.fetch.disk_space import check_disk_space, explain_error, free_mb
from deploy.local.fetch.filling import TREE, fill_mongod, fill_set, is_filled, read_versions
from deploy.local.fetch.moved_cache import adopt_moved
from deploy.local.fetch.packages import PackageSet
from deploy.local.fetch.progress import Bar, Steps
from deploy.local.files.lock_files import open_lock

SUITE = "sid"
FALLBACK_SUITE = "trixie"

# Raise this number when unpacking changes: trees with another number are unpacked again.
_RECIPE = "3"

_MONGOD = "mongod"


@dataclass(frozen=True, slots=True)
class Installed:
    """The paths of the unpacked software. All of them exist.

    A property raises `KeyError` if the caller of `prepare_cache` did not ask for its software.
    """

    #: Keyed by the name of the package set; mongod's by `mongod`.
    trees: Mapping[str, Path]
    suite: str
    versions: Mapping[str, str]

    @property
    def mongod(self) -> Path:
        """The database's program, which comes with the broker."""
        return self.trees[_MONGOD] / "bin/mongod"

    @property
    def broker(self) -> Path:
        """The tree with RabbitMQ."""
        return self.trees[packages.BROKER.name]

    @property
    def pool(self) -> Path:
        """The tree with HTCondor."""
        return self.trees[packages.POOL.name]

    @property
    def containers(self) -> Path:
        """The tree with apptainer and bubblewrap."""
        return self.trees[packages.CONTAINERS.name]

    @property
    def builder(self) -> Path:
        """The tree with buildah, skopeo and git."""
        return self.trees[packages.BUILDER.name]

    @property
    def python_image(self) -> Path:
        """The root of a task's image with Python."""
        return self.trees[packages.PYTHON_IMAGE.name]

    @property
    def is_fallback(self) -> bool:
        """Return whether these versions are older than the versions that EWMS's tests use."""
        return self.suite != SUITE


def cache_directory(environment: Mapping[str, str]) -> Path:
    """Return the cache's directory for a process with `environment`."""
    home = environment.get("XDG_CACHE_HOME") or Path(environment.get("HOME") or Path.home(), ".cache")
    return Path(home, "ewms")


def prepare_cache(
    cache: Path,
    console: Console,
    wanted: Collection[PackageSet] = packages.ALL,
    *,
    mirror: str | None = None,
    allow_fallback: bool = False,
) -> Installed:
    """Return the paths of the sets `wanted`. Download the missing ones into `cache` first.

    With the broker comes mongod, because no part of EWMS starts one without the other.
    If `allow_fallback`, take older servers from another Debian suite when the right suite is unreachable, and print a
    notice. Processes that call this at the same time wait for one another. The call takes under 0.1 s if nothing is
    missing.

    Raises:
        LaunchError: this machine lacks a tool or disk space, or a download failed.
    """
    if (found := _find_installed(cache, wanted, allow_fallback=allow_fallback)) is not None:
        return found
    with _lock_cache(cache, console):
        # Another process may have filled the cache while this one waited.
        if (found := _find_installed(cache, wanted, allow_fallback=allow_fallback)) is not None:
            return found
        for name in ("apt-get", "dpkg-deb", "tar"):
            find_tool(name)
        find_patchelf()
        adopt_moved(_all_directories(cache, wanted), console)
        if (found := _find_installed(cache, wanted, allow_fallback=allow_fallback)) is not None:
            return found
        try:
            _fill_cache(cache, console, wanted, mirror=mirror, allow_fallback=allow_fallback)
        except (OSError, LaunchError) as error:
            raise explain_error(error, cache, free_mb=free_mb(cache)) from error
        found = _find_installed(cache, wanted, allow_fallback=allow_fallback)
    if found is None:
        raise LaunchError(f"another process emptied the cache at {cache} while this one filled it", "try again")
    return found


def _find_installed(cache: Path, wanted: Collection[PackageSet], *, allow_fallback: bool) -> Installed | None:
    mongod = _name_mongod(cache, wanted)
    if not all(map(is_filled, mongod.values())):
        return None
    for suite in (SUITE, FALLBACK_SUITE) if allow_fallback else (SUITE,):
        found = {one.name: there for one in wanted if (there := _find_set(cache, suite, one)) is not None}
        if len(found) == len(wanted):
            versions = {name: version for there in found.values() for name, version in read_versions(there).items()}
            return Installed(
                trees={name: there / TREE for name, there in found.items()} | mongod,
                suite=suite,
                versions=versions | ({_MONGOD: mongodb_wheel.MONGOD_VERSION} if mongod else {}),
            )
    return None


def _find_set(cache: Path, suite: str, one: PackageSet) -> Path | None:
    """Return the newest complete directory of the set `one`. Return None if there is none."""
    return next((there for there in _list_complete(cache, suite, one) if is_filled(there)), None)


def _list_complete(cache: Path, suite: str, one: PackageSet) -> list[Path]:
    """Return the directories of the set `one` that have a stamp, the newest first."""
    stamps = sorted(
        cache.glob(f"{_directory_name(suite, one, None)}/.ok"), key=lambda stamp: stamp.stat().st_mtime, reverse=True
    )
    return [stamp.parent for stamp in stamps]


def _all_directories(cache: Path, wanted: Collection[PackageSet]) -> list[Path]:
    """Return the directories in the cache that may hold mongod and the sets `wanted`."""
    sets = [there for suite in (SUITE, FALLBACK_SUITE) for one in wanted for there in _list_complete(cache, suite, one)]
    return [*_name_mongod(cache, wanted).values(), *sets]


def _fill_cache(
    cache: Path, console: Console, wanted: Collection[PackageSet], *, mirror: str | None, allow_fallback: bool
) -> None:
    mongod = [there for there in _name_mongod(cache, wanted).values() if not is_filled(there)]
    missing = [one for one in wanted if _find_set(cache, SUITE, one) is None]
    parts = [*(_MONGOD for _ in mongod), *(one.name for one in missing)]
    check_disk_space(cache, parts, free_mb=free_mb(cache))
    # End the helper programs before waiting for the threads, so that an interruption or one failure ends both threads.
    with (
        Steps(console) as steps,
        ThreadPoolExecutor(2, thread_name_prefix="prepare") as pool,
        HelperPrograms() as helpers,
    ):
        bar = steps.add_step("Debian packages")

        def open_apt(suite: str) -> PrivateApt:
            return PrivateApt(cache / f"apt-{suite}", suite, helpers, mirror=mirror)

        def fill_packages() -> None:
            if not missing:
                bar.finish_step("in the cache")
                return
            try:
                _fill_sets(cache, missing, _update_lists(open_apt(SUITE), bar), bar)
            except LaunchError as error:
                if not allow_fallback:
                    raise
                try:
                    older = _update_lists(open_apt(FALLBACK_SUITE), bar)
                except LaunchError:
                    # The failure is not the suite's.
                    raise error from None
                console.print(_fallback_notice(error), soft_wrap=True)
                lacking = [one for one in wanted if _find_set(cache, FALLBACK_SUITE, one) is None]
                _fill_sets(cache, lacking, older, bar)

        fills = [pool.submit(fill_mongod, there, steps.add_step(_MONGOD), helpers) for there in mongod]
        for one in as_completed([*fills, pool.submit(fill_packages)]):
            one.result()


def _update_lists(apt: PrivateApt, bar: Bar) -> PrivateApt:
    bar.begin_stage(f"reading Debian {apt.suite}")
    apt.update_lists()
    return apt


def _fill_sets(cache: Path, missing: Collection[PackageSet], apt: PrivateApt, bar: Bar) -> None:
    versions: dict[str, str] = {}
    for one in missing:
        there = one if apt.suite == SUITE else packages.fallback_set(one)
        chosen = apt.resolve_packages(there)
        facts = packages.cache_versions(chosen)
        fill_set(cache / _directory_name(apt.suite, one, facts), there, chosen, facts, apt=apt, bar=bar)
        versions |= facts
    apt.discard_downloads()
    bar.finish_step(", ".join(f"{key} {value}" for key, value in versions.items()) or "complete")


def _fallback_notice(error: LaunchError) -> str:
    return (
        f"[yellow]Notice:[/] cannot get servers from Debian's suite {SUITE} ({escape(error.what)}). Taking older ones "
        f"from {FALLBACK_SUITE}; tests and the demo do not run on those."
    )


def _name_mongod(cache: Path, wanted: Collection[PackageSet]) -> dict[str, Path]:
    """Return mongod's name and directory if the sets `wanted` need it, else nothing."""
    return {_MONGOD: _mongod_directory(cache)} if packages.BROKER.name in {one.name for one in wanted} else {}


def _mongod_directory(cache: Path) -> Path:
    return cache / f"mongod-{mongodb_wheel.MONGOD_VERSION}-{mongodb_wheel.SHA256[:8]}"


def _directory_name(suite: str, one: PackageSet, versions: Mapping[str, str] | None) -> str:
    """Return the name of the directory of the set `one`. If `versions` is None, return a pattern that fits all
    versions.
    """
    digest = hashlib.sha256(f"{_RECIPE} {one}".encode()).hexdigest()[:8]
    facts = "*" if versions is None else "".join(f"{name}{version}-" for name, version in sorted(versions.items()))
    return f"{one.name}-{suite}-{facts}{digest}"


@contextlib.contextmanager
def _lock_cache(cache: Path, console: Console) -> Iterator[None]:
    try:
        cache.mkdir(parents=True, exist_ok=True)
        lock = open_lock(cache / "lock")
    except OSError as error:
        raise LaunchError(
            f"cannot write to the cache directory {cache} ({error.strerror})",
            "set XDG_CACHE_HOME to a directory that you can write to",
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            console.print(f"another process is filling {cache}; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
