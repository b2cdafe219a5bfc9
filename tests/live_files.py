"""Look through directories of a running system, whose files come and go meanwhile."""

import os
from collections.abc import Iterator
from pathlib import Path


def walk_live(root: Path) -> Iterator[Path]:
    """Yield the directories and files below `root`. `Path.rglob` fails if one of them goes away at that moment."""
    for folder, directories, files in os.walk(root):
        for name in (*directories, *files):
            yield Path(folder, name)
