"""Run short helper programs (apt-get, pip, tar, patchelf) so that an interruption ends them too."""

import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO

from deploy.local.prerequisites import tool

_File = int | IO[str] | None


class Helpers:
    """The helper programs that run just now; those that are left at the end of the block are killed."""

    def __init__(self) -> None:
        self._running: list[subprocess.Popen[str]] = []
        self._lock = threading.Lock()
        self._is_over = False

    def __enter__(self) -> "Helpers":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    def kill(self) -> None:
        """End all that run; a thread that waits for one sees it fail, and starts no other."""
        with self._lock:
            self._is_over = True
            for process in self._running:
                process.kill()

    def start(
        self,
        command: Sequence[str | Path],
        *,
        stdin: _File = subprocess.DEVNULL,
        stdout: _File = subprocess.PIPE,
        stderr: _File = subprocess.PIPE,
        environment: Mapping[str, str] | None = None,
    ) -> "subprocess.Popen[str]":
        """Start `command`, which dies with the calling thread and when the block ends."""
        # Its own session: Ctrl-C is for the launcher, whose one message would drown in theirs.
        with self._lock:
            if self._is_over:
                raise InterruptedError(f"{command[0]} is not started any more")
            process = subprocess.Popen(
                [tool("setpriv"), "--pdeathsig", "KILL", "--", *map(str, command)],
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                env=environment,
                text=True,
                start_new_session=True,
            )
            self._running.append(process)
        return process

    def finish(self, process: "subprocess.Popen[str]") -> tuple[str, str]:
        """Wait for `process`; return what it wrote to its pipes: output, then complaints."""
        try:
            output, complaints = process.communicate()
        finally:
            self._forget(process)
        return output or "", complaints or ""

    def end(self, process: "subprocess.Popen[str]") -> None:
        """Wait for `process`, whose pipes somebody else has read."""
        process.wait()
        self._forget(process)

    def _forget(self, process: "subprocess.Popen[str]") -> None:
        with self._lock:
            self._running.remove(process)
