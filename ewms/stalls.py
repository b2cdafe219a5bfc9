"""A stalled workflow for its user: work waits, and nothing is on its way to do it. (core)"""

from collections.abc import Sequence

from ewms.errors import RunStalled
from schemas.api import Stall


def stalled_error(workflow: str, stall: Stall) -> RunStalled:
    """Return the error for those who take a stall of `workflow` as a failure."""
    problems = [f"{workflow} is stalled: {cause.text}" for cause in stall.causes]
    return RunStalled(problems, hint="; ".join(dict.fromkeys(cause.command for cause in stall.causes)))


class StallNotices:
    """What there is to say of one workflow's stall: when it begins, when its causes change, and when it is over."""

    def __init__(self, workflow: str) -> None:
        self._workflow = workflow
        self._told: Sequence[tuple[str, str]] = ()

    def news(self, stall: Stall | None) -> str:
        """Return what to say now of `stall`, the latest that was seen; "" if nothing is new."""
        causes = [(cause.cause, cause.task_id) for cause in stall.causes] if stall is not None else []
        if list(self._told) == causes:
            return ""
        self._told = tuple(causes)
        if stall is None:
            return f"{self._workflow} goes on"
        told = "; ".join(f"{cause.text} (next: {cause.command})" for cause in stall.causes)
        return f"{self._workflow} is stalled since {stall.since:%H:%M:%S} UTC: {told}"
