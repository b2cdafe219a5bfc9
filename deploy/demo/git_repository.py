"""Make a git repository of a directory, and serve it by `git daemon` on the loopback address."""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

_PATIENCE_S = 20.0


@contextmanager
def serve_repository(tree: Path, root: Path, files: Path) -> Iterator[str]:
    """Serve a new repository with the files of the directory `files` for the block, and yield its address.

    `tree` has git, and the repository is made below `root`.
    """
    repository = root / "tasks"
    shutil.copytree(files, repository)
    environment = _make_environment(tree, root)
    for words in (
        ("init", "--quiet", "--template=", "--initial-branch=main"),
        ("add", "--all"),
        ("commit", "--quiet", "--message", "The tasks of the maintenance"),
    ):
        git = [str(tree / "usr/bin/git"), "-C", str(repository), *words]
        subprocess.run(git, env=environment, check=True)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    daemon = subprocess.Popen(
        [
            str(tree / "usr/bin/git"),
            "daemon",
            "--export-all",
            "--listen=127.0.0.1",
            f"--port={port}",
            f"--base-path={root}",
        ],
        env=environment,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_until_open(port)
        yield f"git://127.0.0.1:{port}/tasks"
    finally:
        daemon.terminate()
        daemon.wait()


def _make_environment(tree: Path, home: Path) -> Mapping[str, str]:
    people = {f"GIT_{who}_{what}": "ada@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    return {
        "GIT_EXEC_PATH": str(tree / "usr/lib/git-core"),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "HOME": str(home),
        "PATH": "/usr/bin:/bin",
        **people,
    }


def _wait_until_open(port: int) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1.0).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return
