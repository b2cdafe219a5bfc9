"""What a fork of `tests.campaigns.fork_server` does: it becomes a module, as `python -m` runs it."""

import contextlib
import fcntl
import os
import runpy
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn


def become_module(
    descriptors: Mapping[int, int],
    module: str,
    words: list[str],
    environment: dict[str, str],
    directory: str = "",
) -> NoReturn:
    """Run `module`, or the script at this path, with the arguments `words`; then end this process.

    `descriptors` has the descriptor for each number that the module sees. The module sees no other descriptors.
    """
    status = 1
    try:
        _take_descriptors(descriptors)
        os.environ.clear()
        os.environ.update(environment)
        os.chdir(directory or ".")
        sys.path[:1] = _list_first_places(module, environment, directory)
        # The process keeps them until its end.
        sys.stdin, sys.stdout = open(0, closefd=False), open(1, "w", closefd=False)  # noqa: SIM115
        sys.stderr = open(2, "w", errors="backslashreplace", buffering=1, closefd=False)  # noqa: SIM115
        sys.argv = words
        if os.sep in module:
            runpy.run_path(module, run_name="__main__")
        else:
            runpy.run_module(module, run_name="__main__", alter_sys=True)
        status = 0
    except SystemExit as end:
        status = _read_exit_code(end)
    except BaseException:  # noqa: BLE001 - as an interpreter does at the end of a program
        sys.excepthook(*sys.exc_info())
    finally:
        # An imported module may have kept the streams from before the fork, as defaults of its functions for example.
        for stream in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__):
            # The readers may have gone.
            with contextlib.suppress(OSError):
                if stream is not None:
                    stream.flush()
        os._exit(status)


def _list_first_places(module: str, environment: Mapping[str, str], directory: str) -> list[str]:
    """Return where Python looks for modules first: beside a script or in the directory, then along PYTHONPATH."""
    first = str(Path(module).parent) if os.sep in module else directory or sys.path[0]
    return [first, *filter(None, environment.get("PYTHONPATH", "").split(os.pathsep))]


def _take_descriptors(wanted: Mapping[int, int]) -> None:
    """Give each descriptor of `wanted` its number, a key. Close all others, as a start does."""
    # A number may be in use for a descriptor that is still to be moved.
    first_free = max(*wanted, *wanted.values()) + 1
    moved = {number: fcntl.fcntl(held, fcntl.F_DUPFD, first_free) for number, held in wanted.items()}
    for number, held in moved.items():
        os.dup2(held, number)
    for held in [int(entry.name) for entry in Path("/proc/self/fd").iterdir()]:
        # The list has the descriptor by which it was read.
        if held not in wanted:
            with contextlib.suppress(OSError):
                os.close(held)


def _read_exit_code(end: SystemExit) -> int:
    """Return the exit status as an interpreter does: a text goes to standard error."""
    if end.code is None or isinstance(end.code, int):
        return int(end.code or 0)
    print(end.code, file=sys.stderr)
    return 1
