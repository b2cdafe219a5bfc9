"""Look for everything that this process can read, write, connect to or learn: `python probe.py INFILE OUTFILE`.

Stands alone, on the standard library: the census runs it in a child process of another account, and as a user's task
in each runtime. It takes a question and gives its findings, both as JSON:

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

#: A tree that has more is not one of ours; the findings say where the look ended.
_MOST_FILES = 200_000


def look_around(question: dict[str, list]) -> dict[str, object]:
    """Return what this process finds open."""
    skip = tuple(question.get("skip", ()))
    readable, writable = [], []
    for root in question["roots"]:
        for path, is_readable, is_writable in _walk(root, skip):
            if is_readable:
                readable.append(path)
            if is_writable:
                writable.append(path)
    return {
        "uid": os.getuid(),
        "readable": sorted(readable),
        "writable": sorted(writable),
        "environments": sorted(pid for pid in _others() if _reads(f"/proc/{pid}/environ")),
        "arguments": {pid: _read_arguments(pid) for pid in _others()},
        "open_ports": sorted(port for port in question.get("ports", ()) if _connects(port)),
    }


def _walk(root: str, skip: tuple[str, ...]) -> Iterator[tuple[str, bool, bool]]:
    """Yield the paths below `root` that can be read or written: files, sockets, pipes, and directories to write into."""
    waiting, n_seen = [root], 0
    while waiting:
        path = waiting.pop()
        n_seen += 1
        if n_seen > _MOST_FILES:
            raise RuntimeError(f"more than {_MOST_FILES} files below {root}")
        if path.startswith(skip) if skip else False:
            continue
        try:
            kind = os.lstat(path).st_mode
        except OSError:
            continue
        if stat.S_ISLNK(kind):
            continue
        if stat.S_ISDIR(kind):
            try:
                waiting += [os.path.join(path, name) for name in os.listdir(path)]
            except OSError:
                pass
            # A directory that can be listed tells names only; one that can be written into is a hole.
            yield path, False, os.access(path, os.W_OK | os.X_OK)
        else:
            yield path, os.access(path, os.R_OK), os.access(path, os.W_OK)


def _others() -> list[int]:
    mine = os.getpid()
    return [int(name) for name in os.listdir("/proc") if name.isdigit() and int(name) != mine]


def _reads(path: str) -> bool:
    try:
        with open(path, "rb") as file:
            return bool(file.read(1))
    except OSError:
        return False


def _read_arguments(pid: int) -> list[str]:
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return [word.decode(errors="replace") for word in file.read().split(b"\0") if word]
    except OSError:
        return []


def _connects(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=2).close()
    except OSError:
        return False
    return True


if __name__ == "__main__":
    with open(sys.argv[1]) as infile:
        answer = look_around(json.load(infile))
    with open(sys.argv[2], "w") as outfile:
        json.dump(answer, outfile)
