"""A part of the cache that was copied elsewhere runs there, and the one that it was copied from still does."""

import os
import shutil
import subprocess
from pathlib import Path

from rich.console import Console

from deploy.local.fetch.cache import Installed
from deploy.local.fetch.filling import is_filled, write_stamp
from deploy.local.fetch.moved_cache import adopt_moved


def _says_version(tree: Path) -> bool:
    done = subprocess.run([tree / "usr/bin/bwrap", "--version"], capture_output=True, text=True, check=False)
    return done.returncode == 0 and "bubblewrap" in done.stdout


def test_a_copied_cache_is_used_where_it_lies_now(installed: Installed, tmp_path: Path) -> None:
    old, new = tmp_path / "old" / "containers-x", tmp_path / "new" / "containers-x"
    for part in ("usr/bin/bwrap", "usr/lib64/ld-linux-x86-64.so.2", "usr/lib/x86_64-linux-gnu"):
        source, target = installed.containers / part, old / "tree" / part
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, symlinks=True)
        else:
            shutil.copy2(source, target, follow_symlinks=False)
    write_stamp(old, {"bubblewrap": "1"})
    # The programs name the place from which this was copied.
    (old / ".ok").write_text((old / ".ok").read_text().replace(str(old), "/elsewhere"))
    adopt_moved([old], Console(quiet=True))
    assert is_filled(old)
    # As `cp -al` makes it: one file under two names.
    shutil.copytree(old, new, symlinks=True, copy_function=os.link)
    assert not is_filled(new)
    adopt_moved([new], Console(quiet=True))
    assert is_filled(new)
    assert _says_version(old / "tree"), "the original was changed"
    shutil.rmtree(old)
    assert _says_version(new / "tree")
