"""Look for everything that this process can read, write, connect to or learn: `python probe.py INFILE OUTFILE`.

Stands alone, on the standard library: the census runs it in a child process of another account, and as a user's task
in each runtime. It takes a question and gives its findings, both JSON:

    question   {"roots": [path, ...], "ports": [number, ...], "skip": [path, ...]}
    findings   {"uid": 1, "readable": [path, ...], "writable": [path, ...], "environments": [pid, ...],
                "arguments": {pid: [word, ...]}, "open_ports": [number, ...]}
"""

import json
import os
import socket
import stat
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

#: A tree that has more is not one of ours.
_MOST_FILES = 200_000


def look_around(question: dict[str, list[Any]]) -> dict[str, Any]:
    """Return what this process finds open."""
    skip = frozenset(map(Path, question.get("skip", ())))
    readable, writable = [], []
    for root in question["roots"]:
        for path, is_readable, is_writable in _walk(Path(root), skip):
            if is_readable:
                readable.append(str(path))
            if is_writable:
                writable.append(str(path))
    others = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    others = [pid for pid in others if pid != os.getpid()]
    return {
        "uid": os.getuid(),
        "readable": sorted(readable),
        "writable": sorted(writable),
        "environments": [pid for pid in others if _read(Path(f"/proc/{pid}/environ"))],
        "arguments": {pid: _read(Path(f"/proc/{pid}/cmdline")).decode(errors="replace").split("\0") for pid in others},
        "open_ports": sorted(port for port in question.get("ports", ()) if _connects(port)),
    }


def _walk(root: Path, skip: frozenset[Path]) -> Iterator[tuple[Path, bool, bool]]:
    """Yield each path below `root`, whether it can be read, and whether it can be written.

    A directory that can be listed tells names only and counts as closed; one that can be written into is a hole.
    """
    waiting, n_seen = [root], 0
    while waiting:
        path = waiting.pop()
        n_seen += 1
        if n_seen > _MOST_FILES:
            raise RuntimeError(f"more than {_MOST_FILES} files below {root}")
        if path in skip:
            continue
        try:
            kind = path.lstat().st_mode
        except OSError:
            continue
        if stat.S_ISLNK(kind):
            continue
        if stat.S_ISDIR(kind):
            with suppress(OSError):
                waiting += path.iterdir()
            yield path, False, os.access(path, os.W_OK | os.X_OK)
        else:
            yield path, os.access(path, os.R_OK), os.access(path, os.W_OK)


def _read(path: Path) -> bytes:
    with suppress(OSError):
        return path.read_bytes()
    return b""


def _connects(port: int) -> bool:
    with suppress(OSError):
        socket.create_connection(("127.0.0.1", port), timeout=2).close()
        return True
    return False


if __name__ == "__main__":
    Path(sys.argv[2]).write_text(json.dumps(look_around(json.loads(Path(sys.argv[1]).read_text()))))
