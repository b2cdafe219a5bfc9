"""Decide whether a queue of the pilot is gone for good, and describe that for its user. (core)"""

from dataclasses import dataclass, replace

from schemas.pilot.pilot_wire import QueueEndpoint

#: A broker that has just started may miss a queue for a moment. So the queue counts as gone only after `_N_LOOKS`
#: refusals in a row within at least `_FOR_S` seconds.
_N_LOOKS = 3
_FOR_S = 3.0
#: Refusals further apart than this do not count as one row.
_APART_S = 60.0


@dataclass(frozen=True, slots=True)
class Refusals:
    """How often in a row, and since when, the broker has answered that a queue does not exist."""

    n_missing: int = 0
    since_s: float = 0.0
    last_s: float = 0.0

    def add_attempt(self, now_s: float, *, is_missing: bool) -> "Refusals":
        """Return the refusals with one more attempt to use the queue, which failed at `now_s`."""
        if not is_missing:
            return Refusals()
        if not self.n_missing or now_s - self.last_s > _APART_S:
            return Refusals(1, now_s, now_s)
        return replace(self, n_missing=self.n_missing + 1, last_s=now_s)

    @property
    def is_gone(self) -> bool:
        """Whether the queue counts as gone for good."""
        return self.n_missing >= _N_LOOKS and self.last_s - self.since_s >= _FOR_S


def describe_gone(direction: str, queue: QueueEndpoint, workflow_id: str) -> str:
    """Return the text that the `input` or `output` queue is gone, with the possible reasons and the remedy."""
    workflow = workflow_id or "WORKFLOW"
    return (
        f"the {direction} queue {queue} does not exist any more: the workflow is over, or its queue was deleted; "
        f"see `ewms workflow show {workflow}`; to go on, request the workflow again"
    )
