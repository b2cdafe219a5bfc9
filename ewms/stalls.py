"""Tell the user why a workflow needs them: events wait in vain, fail on every worker, or have all failed. (core)"""

from collections.abc import Callable, Sequence

from ewms.errors import RunStalled
from schemas.api.workflows.health import Stall
from schemas.ids import WorkflowId


def make_stall_error(workflow: str, stall: Stall) -> RunStalled:
    """Return the error for callers that take a stall of `workflow` as a failure."""
    is_stalled = " is stalled" if stall.is_stalled else ""
    problems = [f"{workflow}{is_stalled}: {cause.text}" for cause in stall.causes]
    return RunStalled(problems, hint="; ".join(dict.fromkeys(cause.command for cause in stall.causes)))


class StallNotices:
    """The notices about one workflow's stalls: when a stall begins, when its causes change, and when it is over."""

    def __init__(self, workflow: str) -> None:
        self._workflow = workflow
        self._told: Sequence[tuple[str, str]] = ()

    def next_notice(self, stall: Stall | None, *, is_ending: bool = False) -> str:
        """Return the notice for `stall`, the latest that was seen (None: not stalled); "" if nothing is new.

        With `is_ending` the workflow has ended, so the end of a stall is no news: nothing goes on.
        """
        causes = [(cause.cause, cause.task_id) for cause in stall.causes] if stall is not None else []
        if list(self._told) == causes:
            return ""
        self._told = tuple(causes)
        if stall is None:
            return "" if is_ending else f"{self._workflow} goes on"
        told = "; ".join(f"{cause.text} (next: {cause.command})" for cause in stall.causes)
        if not stall.is_stalled:
            return f"{self._workflow}: {told}"
        return f"{self._workflow} has been stalled since {stall.since:%H:%M:%S} UTC: {told}"


class StallListener:
    """Report changes of a workflow's stalls, or raise at the first stall."""

    def __init__(self, workflow: WorkflowId, on_notice: Callable[[str], None], *, fail: bool) -> None:
        self._workflow = workflow
        self._on_notice = on_notice
        self._fail = fail
        self._notices = StallNotices(workflow)

    def report_stall(self, stall: Stall | None, *, is_ending: bool = False) -> None:
        """Report `stall`, the latest that was seen (None: not stalled), if it differs from the one before.

        `is_ending` says whether the workflow has ended, and its taskforces end too.

        Raises:
            RunStalled: the workflow is stalled, and the caller wants that as a failure.
        """
        if stall is not None and self._fail:
            raise make_stall_error(self._workflow, stall)
        if news := self._notices.next_notice(stall, is_ending=is_ending):
            self._on_notice(news)
