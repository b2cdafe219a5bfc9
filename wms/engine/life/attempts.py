"""Begin nodes and end attempts at them. (core)

    begin       step: due      wait: armed      run, workflow: its child is to be started      empty: over at once
    attempt     successful, skipped ─► over, and the nodes below are decided
                pending             ─► waiting: the step looks again, or the wait is armed
                failed              ─► retrying, while the policy allows; else halted (a chain, or `halts`); else over
                error               ─► halted or over
                canceled            ─► over; in a chain the run is canceled

Every function edits a draft. `wms.engine.life.run_status` decides the nodes below, and the status of the run.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from schemas.engine.graph import BranchingProfile, NodeKind, WaitKind, WaitSpec
from schemas.engine.runs import (
    NodeError,
    NodeStatus,
    Outcome,
    WaitAnswer,
    WaitState,
    WantKind,
)
from schemas.errors import TooLarge
from wms.engine.life.branching import empty_status
from wms.engine.life.open_run import RunDraft, calls_function, make_error
from wms.engine.life.variables import Values, check_size, merge_deeply, merge_delta
from wms.engine.life.waiting import arm_poll, arm_wait, note_expiry, open_wait

#: How long the first `node.run` of an attempt is valid. Each repetition is valid twice as long, up to the longest time.
_FIRST_VALIDITY = timedelta(seconds=10)
_LONGEST_VALIDITY = timedelta(minutes=5)
#: How much the clocks of WMS and of a step worker may differ.
CLOCK_MARGIN = timedelta(seconds=2)
#: A step with which so many workers were lost has taken them down.
MAX_LOSSES = 3
#: An event may come just before its wait is armed. After this time the engine looks once more for such an event.
_LOOK_AFTER = timedelta(seconds=5)

#: The key of the state for an answer that is no object, if its wait names no key.
BARE_RESULT_KEY = "result"

_STATUS_OF: Mapping[Outcome, NodeStatus] = {
    Outcome.SUCCESSFUL: NodeStatus.SUCCESSFUL,
    Outcome.SKIPPED: NodeStatus.SKIPPED,
    Outcome.FAILED: NodeStatus.FAILED,
    Outcome.ERROR: NodeStatus.ERROR,
    Outcome.CANCELED: NodeStatus.CANCELED,
}


def find_repeat_at(now: datetime, n_sent: int) -> datetime:
    """Return when to send a node again after sending it at `now`. `n_sent` is how often the node was sent."""
    return now + min(_FIRST_VALIDITY * (1 << min(max(n_sent, 1) - 1, 10)), _LONGEST_VALIDITY) + CLOCK_MARGIN


def begin_node(draft: RunDraft, number: int) -> None:
    """Begin a node that may run now."""
    spec = draft.spec(number)
    opener = draft.run.layout.opened_by.get(number)
    if opener is not None and draft.node(opener).status is NodeStatus.SKIPPED:
        end_node(draft, number, NodeStatus.SKIPPED)
    elif spec.kind is NodeKind.EMPTY:
        end_node(draft, number, empty_status(draft.graph.profile), explanation="there is no template to run")
    elif not spec.kind.is_known:
        end_node(draft, number, NodeStatus.ERROR, explanation=f"this version knows no nodes of the kind {spec.kind!r}")
    elif spec.kind is NodeKind.WAIT and not spec.function:
        draft.change_node(number, attempt=draft.node(number).attempt + 1, started_at=draft.now)
        arm_node(draft, number)
    else:
        make_due(draft, number)


def make_due(draft: RunDraft, number: int) -> None:
    """Start a new attempt at the node: the node becomes due."""
    spec = draft.spec(number)
    state = draft.node(number)
    draft.change_node(
        number,
        status=NodeStatus.DUE,
        attempt=state.attempt + 1,
        n_sent=1,
        n_taken=0,
        n_lost=0,
        taken_by="",
        n_polls=0,
        wake_at=find_repeat_at(draft.now, 1),
        deadline=None,
        wait=None,
        error=None,
        explanation="",
        artifacts={},
        child_run=None,
        workflow_id=None,
        due_at=draft.now,
        started_at=None,
        ended_at=None,
    )
    if not calls_function(spec):
        draft.starts.append(number)
        return
    draft.sends.append(number)
    if spec.opens is not None and (wait := draft.spec(spec.opens).wait) is not None:
        # The token exists from now on. The earlier token is void, and so is an answer that came with it.
        draft.change_node(spec.opens, wait=open_wait(wait, find_correlation(draft, wait)))


def find_correlation(draft: RunDraft, wait: WaitSpec) -> str:
    """Return the correlation that an event must carry to answer `wait`."""
    if not wait.correlation_key:
        return draft.facts.uuid
    return str(draft.facts.state.get(wait.correlation_key, ""))


def arm_node(draft: RunDraft, number: int) -> None:
    """Make the node wait. An answer that came earlier ends the wait at once."""
    spec = draft.spec(number).wait
    assert spec is not None  # the schema sees to it
    wait, early = arm_wait(spec, draft.node(number).wait, find_correlation(draft, spec), draft.now)
    wake_at = wait.deadline
    if wait.kind is WaitKind.EVENT and early is None:
        draft.seeks.append(number)
        look_at = draft.now + _LOOK_AFTER
        wake_at = look_at if wake_at is None else min(wake_at, look_at)
    draft.change_node(number, status=NodeStatus.WAITING, wait=wait, wake_at=wake_at, taken_by="", deadline=None)
    if early is not None:
        end_wait(draft, number, early)


def end_wait(draft: RunDraft, number: int, answer: WaitAnswer) -> None:
    """End the node with `answer`, the answer to its wait. A denied approval fails the attempt."""
    spec = draft.spec(number).wait
    assert spec is not None  # the schema sees to it
    delta = _make_delta(draft, spec, answer.body)
    if spec.kind is WaitKind.APPROVAL and answer.approved is not True:
        error = make_error("Denied", f"{answer.who or 'somebody'} denied the approval")
        # The comment stays, as that of an approval does.
        finish_attempt(draft, number, Outcome.FAILED, delta=delta, keeps_changes=True, error=error, who=answer.who)
        return
    finish_attempt(draft, number, Outcome.SUCCESSFUL, delta=delta, who=answer.who)


def _make_delta(draft: RunDraft, spec: WaitSpec, body: Any) -> dict[str, Any]:
    if spec.result_key:
        return {spec.result_key: body}
    if not isinstance(body, dict):
        return {} if body is None else {BARE_RESULT_KEY: body}
    if spec.kind is not WaitKind.INPUT:
        return body
    merged = merge_deeply(draft.facts.state, body)
    return {key: merged[key] for key in body}


def expire_wait(draft: RunDraft, number: int) -> None:
    """Fail the attempt, because no answer came in time."""
    wait = draft.node(number).wait
    if wait is not None:
        draft.change_node(number, wait=note_expiry(wait))
        what = f" {wait.name!r}" if wait.name else ""
        error = make_error("TimedOut", f"no answer to the {wait.kind}{what} came in time")
        finish_attempt(draft, number, Outcome.FAILED, error=error)


def finish_attempt(
    draft: RunDraft,
    number: int,
    outcome: Outcome,
    *,
    delta: Values | None = None,
    removed: Iterable[str] = (),
    keeps_changes: bool = False,
    artifacts: Values | None = None,
    error: NodeError | None = None,
    poll_after_s: float = 0.0,
    name: str = "",
    who: str = "",
    started_at: datetime | None = None,
) -> bool:
    """End the current attempt of a node with `outcome`. Return whether the attempt's results take effect."""
    succeeds = outcome in (Outcome.SUCCESSFUL, Outcome.SKIPPED)
    given, gone = (dict(delta or {}), tuple(removed)) if succeeds or keeps_changes else ({}, ())
    if (given or gone) and (too_large := _change_state(draft, given, gone)) is not None:
        outcome, succeeds, error, given, gone = Outcome.FAILED, False, too_large, {}, ()
    if outcome is Outcome.PENDING:
        return _suspend_attempt(draft, number, poll_after_s, artifacts or {})
    state = draft.node(number)
    status = _STATUS_OF.get(outcome, NodeStatus.ERROR)
    wake_at = None
    n_failures = state.n_failures + (status is NodeStatus.FAILED)
    if not succeeds:
        status, wake_at = _judge_failure(draft, number, status, n_failures)
    draft.change_node(
        number,
        status=status,
        n_failures=0 if succeeds else n_failures,
        wake_at=wake_at,
        taken_by="",
        deadline=None,
        artifacts=state.artifacts if artifacts is None else dict(artifacts),
        error=None if succeeds else error,
        explanation="",
        started_at=started_at or state.started_at,
        ended_at=draft.now,
    )
    shown = {"name": name} if name else {}
    draft.add_row(
        "ended",
        status,
        number,
        delta=given,
        removed=gone,
        error=None if succeeds else error,
        who=who,
        started_at=started_at or state.started_at,
        **shown,
    )
    return succeeds


def _change_state(draft: RunDraft, delta: Values, removed: Iterable[str]) -> NodeError | None:
    """Merge `delta` into the run's state, and remove the keys in `removed`. Return None.

    If the state would be too large, change nothing, and return the error.
    """
    merged = merge_delta(draft.facts.state, delta, removed)
    try:
        check_size("state", merged)
    except TooLarge as too_large:
        return make_error("StateTooLarge", too_large.reason)
    draft.change_run(state=merged)
    return None


def _judge_failure(
    draft: RunDraft, number: int, status: NodeStatus, n_failures: int
) -> tuple[NodeStatus, datetime | None]:
    """Return the status of a node after a failed attempt, and when the node is due again (None: not by itself)."""
    want = draft.facts.want
    if status is NodeStatus.CANCELED or (want is not None and want.kind is WantKind.CANCEL):
        return status, None
    spec = draft.spec(number)
    if (
        status is NodeStatus.FAILED
        and spec.retry is not None
        and (pause := spec.retry.find_pause(n_failures)) is not None
    ):
        return NodeStatus.RETRYING, draft.now + pause
    halts = spec.halts if spec.halts is not None else draft.graph.profile is BranchingProfile.CHAIN
    return (NodeStatus.HALTED if halts else status), None


def _suspend_attempt(draft: RunDraft, number: int, poll_after_s: float, artifacts: Values) -> bool:
    if draft.spec(number).kind is NodeKind.WAIT:
        arm_node(draft, number)
        return True
    state = draft.node(number)
    draft.change_node(
        number,
        status=NodeStatus.WAITING,
        n_polls=state.n_polls + 1,
        artifacts=dict(artifacts),
        n_taken=0,
        n_lost=0,
        taken_by="",
        wait=arm_poll(state.wait, draft.now),
        wake_at=draft.now + timedelta(seconds=max(0.0, poll_after_s)),
        started_at=state.started_at or draft.now,
    )
    return True


def end_node(draft: RunDraft, number: int, status: NodeStatus, *, explanation: str = "") -> None:
    """End a node without an attempt at it. A later answer to its wait comes too late."""
    wait = draft.node(number).wait
    if wait is not None and wait.state in (WaitState.OPENED, WaitState.ARMED):
        wait = note_expiry(wait)
    draft.change_node(
        number,
        status=status,
        wait=wait,
        wake_at=None,
        taken_by="",
        deadline=None,
        explanation=explanation,
        ended_at=draft.now,
    )
    if status is not NodeStatus.PASSED:
        draft.add_row("ended", status, number, why=explanation)
