"""Compile the pattern of each of the gateway's 1 100 paths once a process, not once for each WMS that a test starts."""

import functools

from starlette import routing


def compile_paths_once() -> None:
    """Let routes of the same path share their compiled pattern, in this process."""
    routing.compile_path = functools.cache(routing.compile_path)
