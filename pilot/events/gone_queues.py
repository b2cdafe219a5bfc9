"""Decide whether a queue of the pilot is gone for good, and describe that for its user. (core)"""

from dataclasses import dataclass, replace

from schemas.pilot.pilot_wire import QueueEndpoint

#: A broker that has just started may miss a queue for a moment. The queue is gone after so many refusals in a row, over
#: so long.
_N_LOOKS = 3
_FOR_S = 3.0
#: Refusals further apart than this do not count as one row.
_APART_S = 60.0


@dataclass(frozen=True, slots=True)
class Refusals:
    """How often in a row, and since when, the broker has said that a queue does not exist."""

    n_missing: int = 0
    since_s: float = 0.0
    last_s: float = 0.0

    def add_attempt(self, now_s: float, *, is_missing: bool) -> "Refusals":
        """Return this with one more attempt to use the queue, which failed at `now_s`."""
        if not is_missing:
            return Refusals()
        if not self.n_missing or now_s - self.last_s > _APART_S:
            return Refusals(1, now_s, now_s)
        return replace(self, n_missing=self.n_missing + 1, last_s=now_s)

    @property
    def is_gone(self) -> bool:
        """Whether the queue will not come back."""
        return self.n_missing >= _N_LOOKS and self.last_s - self.since_s >= _FOR_S


def describe_gone(direction: str, queue: QueueEndpoint, workflow_id: str) -> str:
    """Return a text: the `input` or `output` queue is gone, the possible reasons, and the remedy."""
    workflow = workflow_id or "WORKFLOW"
    return (
        f"the {direction} queue {queue} does not exist any more: the workflow is over, or somebody deleted the queue; "
        f"see `ewms workflow show {workflow}`, and request the workflow anew to go on"
    )
