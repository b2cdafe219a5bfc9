"""Repair a copied or moved part of the cache at its new path, instead of downloading it again.

The programs in it name their loader and libraries by the old path. Everything else is independent of the path.
"""

import shutil
from collections.abc import Iterable
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from deploy.local.children.helper_programs import HelperPrograms
from deploy.local.errors import LaunchError
from deploy.local.fetch import packages
from deploy.local.fetch.filling import TREE, is_filled, read_stamp, write_stamp
from deploy.local.fetch.progress import Steps
from deploy.local.fetch.relocation import dynamic_programs, relocate_programs


def adopt_moved(directories: Iterable[Path], console: Console) -> None:
    """Repair those of `directories` that were filled at another path, and print a line for each. The caller holds the
    lock.
    """
    for directory in directories:
        if is_filled(directory) or (facts := read_stamp(directory)) is None:
            continue
        place = escape(str(facts["path"]))
        console.print(
            f"{escape(str(directory))} was filled at {place}, then copied or moved; making it usable here",
            highlight=False,
            soft_wrap=True,
        )
        try:
            _adopt_directory(directory, console)
        except (LaunchError, OSError) as error:
            why = escape(str(error).splitlines()[0])
            console.print(f"that failed, so fetching it again: {why}", highlight=False, soft_wrap=True)
        else:
            write_stamp(directory, facts["versions"])


def _adopt_directory(directory: Path, console: Console) -> None:
    tree = directory / TREE
    # mongod has no tree. An image's programs run with the image as root, so they need no change.
    if not tree.exists() or directory.name.startswith(packages.PYTHON_IMAGE.name):
        return
    with Steps(console) as steps, HelperPrograms() as helpers:
        for program in dynamic_programs(tree / "usr"):
            _break_hard_link(program)
        bar = steps.add_step(directory.name)
        relocate_programs(tree, bar, helpers)
        bar.finish_step("usable here")


def _break_hard_link(program: Path) -> None:
    """Replace `program` by a copy if it is a hard link: the file at the old path must stay unchanged."""
    if program.stat().st_nlink > 1:
        partial = program.with_name(f"{program.name}.own")
        shutil.copy2(program, partial)
        partial.rename(program)
