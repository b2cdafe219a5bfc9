"""Tell the user of a stalled workflow: events wait, and nothing is on its way to work on them. (core)"""

from collections.abc import Sequence

from ewms.errors import RunStalled
from schemas.api.health import Stall


def make_stall_error(workflow: str, stall: Stall) -> RunStalled:
    """Return the error for callers that take a stall of `workflow` as a failure."""
    problems = [f"{workflow} is stalled: {cause.text}" for cause in stall.causes]
    return RunStalled(problems, hint="; ".join(dict.fromkeys(cause.command for cause in stall.causes)))


class StallNotices:
    """The notices about one workflow's stalls: when a stall begins, when its causes change, and when it is over."""

    def __init__(self, workflow: str) -> None:
        self._workflow = workflow
        self._told: Sequence[tuple[str, str]] = ()

    def next_notice(self, stall: Stall | None) -> str:
        """Return the notice for `stall`, the latest that was seen (None: not stalled); "" if nothing is new."""
        causes = [(cause.cause, cause.task_id) for cause in stall.causes] if stall is not None else []
        if list(self._told) == causes:
            return ""
        self._told = tuple(causes)
        if stall is None:
            return f"{self._workflow} goes on"
        told = "; ".join(f"{cause.text} (next: {cause.command})" for cause in stall.causes)
        return f"{self._workflow} has been stalled since {stall.since:%H:%M:%S} UTC: {told}"
