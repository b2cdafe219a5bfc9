"""Fill the cache with everything the services need, once, and find it again in no time.

$XDG_CACHE_HOME/ewms/
  lock                                        held while anybody fills the cache
  mongod-<digest>/bin/mongod  .ok
  debian-sid-<versions>-<digest>/tree/usr/…   .ok     <- last, so that a torn fill is never taken for a whole
                                /python-image/usr/…
"""

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from deploy.local import packages, wheel
from deploy.local.debian import Apt
from deploy.local.errors import LaunchError
from deploy.local.images import finish_image_root
from deploy.local.prerequisites import patchelf, tool
from deploy.local.programs import Helpers
from deploy.local.progress import Bar, Steps
from deploy.local.relocate import relocate, unpack

SUITE = "sid"
FALLBACK_SUITE = "trixie"

# Raise it when the way of unpacking changes, so that trees of the old way are not taken.
_RECIPE = "1"


@dataclass(frozen=True, slots=True)
class Installed:
    """Where the unpacked software lies; paths exist."""

    tree: Path
    python_image: Path
    mongod: Path
    suite: str
    versions: Mapping[str, str]

    @property
    def is_fallback(self) -> bool:
        """Say whether the versions are older than those EWMS is tested with."""
        return self.suite != SUITE


def cache_directory(environment: Mapping[str, str]) -> Path:
    """Return the cache's place for a process with `environment`."""
    home = environment.get("XDG_CACHE_HOME") or Path(environment.get("HOME") or Path.home(), ".cache")
    return Path(home, "ewms")


def prepare(cache: Path, console: Console, *, mirror: str | None = None, allow_fallback: bool = False) -> Installed:
    """Return the installed software, filling the cache at `cache` where something is missing.

    `allow_fallback` lets a suite with older servers stand in for the right one, with a notice.
    Idempotent; processes that call it together wait for one another. Under 0.1 s when all is there.

    Raises:
        LaunchError: something is missing on this machine, or a download failed.
    """
    if (found := _find(cache, allow_fallback=allow_fallback)) is not None:
        return found
    with _locked(cache, console):
        # Another process may have filled it while this one waited.
        if (found := _find(cache, allow_fallback=allow_fallback)) is not None:
            return found
        for name in ("apt-get", "dpkg-deb", "tar"):
            tool(name)
        patchelf()
        on_fallback = _notice(console) if allow_fallback else None
        # The helpers end before the threads are waited for: an interruption or the other's failure ends both.
        with Steps(console) as steps, ThreadPoolExecutor(2, thread_name_prefix="prepare") as pool, Helpers() as helpers:
            fills = (
                pool.submit(_fill_mongod, cache, steps.add("mongod"), helpers),
                pool.submit(_fill_debian, cache, steps.add("Debian packages"), helpers, mirror, on_fallback),
            )
            for fill in as_completed(fills):
                fill.result()
        found = _find(cache, allow_fallback=allow_fallback)
    if found is None:
        raise LaunchError(f"the cache at {cache} was emptied while it was filled", "try again")
    return found


def _find(cache: Path, *, allow_fallback: bool) -> Installed | None:
    mongod = _mongod_directory(cache)
    if (mongod / ".ok").exists():
        for suite in (SUITE, FALLBACK_SUITE) if allow_fallback else (SUITE,):
            if (found := _find_packages(cache, suite)) is not None:
                directory, versions = found
                return Installed(
                    tree=directory / "tree",
                    python_image=directory / packages.PYTHON_IMAGE.name,
                    mongod=mongod / "bin/mongod",
                    suite=suite,
                    versions={**versions, "mongod": wheel.MONGOD_VERSION},
                )
    return None


def _find_packages(cache: Path, suite: str) -> tuple[Path, Mapping[str, str]] | None:
    for stamp in sorted(cache.glob(f"debian-{suite}-*-{_digest()}/.ok"), key=_mtime, reverse=True):
        facts = json.loads(stamp.read_text())
        # Programs hold the absolute path of their loader, so a moved cache does not run.
        if facts["path"] == str(stamp.parent):
            return stamp.parent, facts["versions"]
    return None


def _fill_mongod(cache: Path, bar: Bar, helpers: Helpers) -> None:
    directory = _mongod_directory(cache)
    if not (directory / ".ok").exists():
        shutil.rmtree(directory, ignore_errors=True)
        wheel.fetch_mongod(directory, bar, helpers)
        _stamp(directory, {"mongod": wheel.MONGOD_VERSION})
    bar.done(wheel.MONGOD_VERSION)


def _fill_debian(
    cache: Path,
    bar: Bar,
    helpers: Helpers,
    mirror: str | None,
    on_fallback: Callable[[LaunchError], None] | None,
) -> None:
    if _find_packages(cache, SUITE) is not None:
        bar.done("in the cache")
        return

    def apt(suite: str) -> Apt:
        return Apt(cache / f"apt-{suite}", suite, helpers, mirror=mirror)

    try:
        _fill_suite(apt(SUITE), packages.SERVERS, cache, bar, helpers)
    except LaunchError as error:
        if on_fallback is None:
            raise
        on_fallback(error)
        _fill_suite(apt(FALLBACK_SUITE), packages.FALLBACK_SERVERS, cache, bar, helpers)


def _fill_suite(apt: Apt, servers: packages.PackageSet, cache: Path, bar: Bar, helpers: Helpers) -> None:
    bar.stage(f"reading Debian {apt.suite}")
    apt.update()
    sets = (servers, packages.PYTHON_IMAGE)
    chosen = [apt.resolve(wanted) for wanted in sets]
    bar.stage("downloading", sum({one.file_name: one.n_bytes for some in chosen for one in some}.values()))
    files = [apt.download(wanted, some, bar) for wanted, some in zip(sets, chosen, strict=True)]

    versions = packages.versions(chosen[0])
    name = "-".join(f"{key}{value}" for key, value in sorted(versions.items()))
    directory = cache / f"debian-{apt.suite}-{name}-{_digest()}"
    shutil.rmtree(directory, ignore_errors=True)
    bar.stage("unpacking", sum(map(len, files)))
    tree, image = directory / "tree", directory / packages.PYTHON_IMAGE.name
    unpack(files[0], tree, bar, helpers)
    unpack(files[1], image, bar, helpers)
    relocate(tree, bar, helpers)
    _complete_tree(tree)
    finish_image_root(image)
    _stamp(directory, versions)
    apt.discard()
    bar.done(", ".join(f"{key} {value}" for key, value in versions.items()))


def _complete_tree(tree: Path) -> None:
    """Add what apptainer looks for relative to its own place, where a system has it at the root."""
    for prefix in ("usr", "usr/lib", "usr/lib/x86_64-linux-gnu"):
        for name in ("etc", "var"):
            (tree / name).mkdir(exist_ok=True)
            link = tree / prefix / name
            if not link.exists():
                link.symlink_to(os.path.relpath(tree / name, link.parent))
    (tree / "var/lib/apptainer/mnt/session").mkdir(parents=True, exist_ok=True)


def _mongod_directory(cache: Path) -> Path:
    return cache / f"mongod-{wheel.MONGOD_VERSION}-{wheel.SHA256[:8]}"


def _digest() -> str:
    recipe = f"{_RECIPE} {packages.SERVERS} {packages.PYTHON_IMAGE}"
    return hashlib.sha256(recipe.encode()).hexdigest()[:8]


def _stamp(directory: Path, versions: Mapping[str, str]) -> None:
    partial = directory / ".ok.partial"
    partial.write_text(json.dumps({"path": str(directory), "versions": dict(versions)}))
    partial.rename(directory / ".ok")


def _mtime(path: Path) -> float:
    return path.stat().st_mtime


def _notice(console: Console) -> Callable[[LaunchError], None]:
    def notice(error: LaunchError) -> None:
        console.print(
            f"[yellow]Notice:[/] Debian's suite {SUITE} cannot be had ({error.what}). Taking older servers from "
            f"{FALLBACK_SUITE}; tests and the demo do not run on them."
        )

    return notice


@contextlib.contextmanager
def _locked(cache: Path, console: Console) -> Iterator[None]:
    try:
        cache.mkdir(parents=True, exist_ok=True)
        lock = (cache / "lock").open("w")
    except OSError as error:
        raise LaunchError(
            f"the cache directory {cache} cannot be written ({error.strerror})",
            "set XDG_CACHE_HOME to a directory of yours",
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            console.print(f"another process is filling {cache}; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
