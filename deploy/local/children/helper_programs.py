"""Run short helper programs (apt-get, pip, tar, patchelf) so that an interruption ends them too."""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from deploy.local.children.lifetimes import Lifetimes
from deploy.local.choices.prerequisites import find_tool

_File = int | IO[str] | None


class HelperPrograms(Lifetimes["subprocess.Popen[str]"]):
    """The running helper programs of a block. The end of the block kills those that still run."""

    def start_program(
        self,
        command: Sequence[str | Path],
        *,
        stdin: _File = subprocess.DEVNULL,
        stdout: _File = subprocess.PIPE,
        stderr: _File = subprocess.PIPE,
        environment: Mapping[str, str] | None = None,
    ) -> "subprocess.Popen[str]":
        """Start `command` in a session of its own, and return its process. It is killed when the calling thread or the
        block ends.

        If `environment` is None, the program gets the launcher's environment.

        Raises:
            LifetimeOver: the block has ended.
            LaunchError: `setpriv` is not installed.
            OSError: the program cannot be started.
        """

        def start_process() -> "subprocess.Popen[str]":
            # Its own session keeps Ctrl-C from it: its messages would drown the launcher's one message.
            return subprocess.Popen(
                [find_tool("setpriv"), "--pdeathsig", "KILL", "--", *map(str, command)],
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                env=environment,
                text=True,
                start_new_session=True,
            )

        return self._start_one(start_process)

    def read_output(self, process: "subprocess.Popen[str]") -> tuple[str, str]:
        """Wait for the end of `process`, and return its stdout and its stderr. If one of them is no pipe, return "" for
        it.
        """
        try:
            output, complaints = process.communicate()
        finally:
            self._forget_one(process)
        return output or "", complaints or ""

    def await_exit(self, process: "subprocess.Popen[str]") -> None:
        """Wait for the end of `process`. Use this if the caller reads the pipes of `process` itself."""
        process.wait()
        self._forget_one(process)

    def _kill_one(self, one: "subprocess.Popen[str]") -> None:
        one.kill()
