"""Decide whether a queue of the pilot no longer exists, and describe that for the user. (core)"""

from dataclasses import dataclass, replace

from schemas.pilot.pilot_wire import QueueEndpoint

#: A broker that has just started may not know a queue for a moment. So the queue counts as deleted only after
#: `_N_LOOKS` refusals in a row, with at least `_FOR_S` seconds between the first and the last.
_N_LOOKS = 3
_FOR_S = 3.0
#: If more seconds than this lie between two refusals, a new row begins.
_APART_S = 60.0


@dataclass(frozen=True, slots=True)
class Refusals:
    """How often in a row the broker has answered that a queue does not exist, and when the row began and last grew."""

    n_missing: int = 0
    since_s: float = 0.0
    last_s: float = 0.0

    def add_attempt(self, now_s: float, *, is_missing: bool) -> "Refusals":
        """Return the refusals after an attempt to use the queue failed at `now_s`.

        With `is_missing`, the broker answered that the queue does not exist. Any other failure ends the row of
        refusals.
        """
        if not is_missing:
            return Refusals()
        if not self.n_missing or now_s - self.last_s > _APART_S:
            return Refusals(1, now_s, now_s)
        return replace(self, n_missing=self.n_missing + 1, last_s=now_s)

    @property
    def is_gone(self) -> bool:
        """Whether the queue counts as deleted."""
        return self.n_missing >= _N_LOOKS and self.last_s - self.since_s >= _FOR_S


def describe_gone(direction: str, queue: QueueEndpoint, workflow_id: str) -> str:
    """Return the text that the `input` or `output` queue does not exist, with possible reasons and the remedy."""
    workflow = workflow_id or "WORKFLOW"
    return (
        f"the {direction} queue {queue} does not exist any more: the workflow is over, or its queue was deleted; "
        f"see `ewms workflow show {workflow}`; to go on, request the workflow again"
    )
