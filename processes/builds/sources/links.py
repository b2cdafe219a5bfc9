"""Decide whether a symbolic link of a task leads out of the task's directory. (core)"""

from pathlib import PurePosixPath


def leads_out(path: str, target: str) -> bool:
    """Return whether the link at `path` (relative to the task's directory) leads out, if its `target` is followed.

    An absolute target means the image's own root to a container, but a file of the builder to every other program. So
    it leads out.
    """
    if target.startswith("/"):
        return True
    depth = len(PurePosixPath(path).parent.parts)
    for part in PurePosixPath(target).parts:
        depth += -1 if part == ".." else 1
        if depth < 0:
            return True
    return False
