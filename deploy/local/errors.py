"""What a launch can fail with: one sentence of what, one of how to mend it. (core)"""

from pathlib import Path


class LaunchError(Exception):
    """Something on this machine keeps the services from running; the user can fix it."""

    def __init__(self, what: str, remedy: str, *, log: Path | None = None) -> None:
        self.what = what
        self.remedy = remedy
        self.log = log
        super().__init__(what)

    def __str__(self) -> str:
        """Return what failed, how to mend it and where the log is, a line each."""
        lines = [self.what, f"  to mend it: {self.remedy}"]
        if self.log is not None:
            lines.append(f"  log: {self.log}")
        return "\n".join(lines)


class PortTaken(LaunchError):
    """Another process took a port between our choosing it and the server's binding it: try again."""


class PoolCannotStart(LaunchError):
    """HTCondor cannot run here; pilots can still run as plain child processes."""
