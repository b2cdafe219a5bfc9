"""The errors of a launch: one sentence says what failed, another how to correct it. (core)"""

from pathlib import Path


class LaunchError(Exception):
    """Something on this machine keeps the services from running. The user can correct it, as `remedy` says."""

    def __init__(self, what: str, remedy: str, *, log: Path | None = None) -> None:
        self.what = what
        self.remedy = remedy
        self.log = log
        super().__init__(what)

    def __str__(self) -> str:
        """Return three lines: what failed, how to correct it, and where the log is."""
        lines = [self.what, f"  remedy: {self.remedy}"]
        if self.log is not None:
            lines.append(f"  log: {self.log}")
        return "\n".join(lines)


class WrongUse(LaunchError):
    """The command's arguments are wrong."""


class PortTaken(LaunchError):
    """Another process took a port after the launcher had chosen it and before the server used it. Another try may
    succeed.
    """


class PoolCannotStart(LaunchError):
    """HTCondor cannot run here; pilots can still run as plain child processes."""
