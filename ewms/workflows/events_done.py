"""How many of a run's events are done, of how many: counted at the queues, never guessed. (core)

An event that a user publishes is done when nothing that came of it has a task before it any more. Of N that came into
the run's first queues, the part that each level of tasks has let go of is known:

    done = N · (gone from level 0 / come into level 0) · (gone from level 1 / come into level 1) · ...

That is exact where each event makes one event for the next task, and in proportion elsewhere. It is N just when every
queue is empty.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from ewms.workflows.state import State
from schemas.api import QueueDepth, QueueDepths
from schemas.endings import Ending
from schemas.levels import split_levels

#: Rates are taken over this much of the past, or all of it if nothing was done within.
_RATE_WINDOW_S = 60.0


@dataclass(frozen=True, slots=True)
class Done:
    """How many events are done, of how many."""

    n_done: int
    n_all: int
    #: Whether no more can come: only then does a percentage mean anything.
    is_whole: bool


@dataclass(frozen=True, slots=True)
class Counted:
    """What was counted at one moment, on any clock that only goes forward."""

    at_s: float
    done: Done


def count_done(
    state: State, depths: QueueDepths | None, ending: Ending | None, levels: Sequence[frozenset[str]]
) -> Done | None:
    """Return how many events are done at one moment; None where the queues do not tell."""
    if depths is None or not levels:
        return None
    queues = {queue.mqid: queue for queue in depths.queues}
    if ending is not None and ending.expected_results is not None:
        made = {mqid for task in state.task_directives for mqid in task.output_queues}
        results = [queue for queue in depths.queues if queue.is_public and queue.mqid in made]
        n_results = sum(queue.n_arrived or 0 for queue in results)
        n_results += depths.n_dead if ending.count_failures else 0
        return Done(min(n_results, ending.expected_results), ending.expected_results, is_whole=True)
    parts = [_part(queues, level) for level in levels]
    if any(part is None for part in parts):
        return None
    n_all = parts[0][0] if parts[0] else 0
    left = Fraction(1)
    for part in parts:
        n_come, n_gone = part or (0, 0)
        # Where nothing has come nothing waits.
        left *= Fraction(n_gone, n_come) if n_come else 1
    is_closed = ending is not None and ending.inputs_closed_at is not None
    return Done(int(n_all * left), n_all, is_whole=is_closed or state.workflow.deactivated is not None)


def task_levels(state: State) -> list[frozenset[str]]:
    """Return the queues that tasks take events from, each behind all that can feed it; none if that tells nothing.

    Queues of a cycle are one level, for nothing tells how often an event goes round. Where a task makes events by
    itself, no number is the whole.
    """
    tasks = state.task_directives
    if not all(task.input_queues for task in tasks):
        return []
    levels, in_cycles = split_levels(tasks)
    if in_cycles and not levels:
        return []
    return [frozenset(level) for level in (*levels, in_cycles) if level]


def so_far(counted: Sequence[Counted]) -> Done | None:
    """Return the latest of `counted`, oldest first, no less than what was counted before; None: nothing was."""
    if not counted:
        return None
    n_all = max(one.done.n_all for one in counted)
    if counted[-1].done.is_whole:
        # What was said to be expected may have been more before.
        n_all = max((one.done.n_all for one in counted if one.done.is_whole), default=n_all)
    n_done = min(max(one.done.n_done for one in counted), n_all)
    return Done(n_done, n_all, counted[-1].done.is_whole)


def seconds_left(counted: Sequence[Counted]) -> float | None:
    """Return how long the rest takes if it goes on as it did lately; None where that is no promise to be made."""
    latest = so_far(counted)
    if latest is None or not latest.is_whole or latest.n_done >= latest.n_all:
        return None
    now = counted[-1]
    for window_s in (_RATE_WINDOW_S, float("inf")):
        past = next(one for one in counted if now.at_s - one.at_s <= window_s)
        n_more, seconds = latest.n_done - past.done.n_done, now.at_s - past.at_s
        if n_more > 0 and seconds > 0:
            return (latest.n_all - latest.n_done) * seconds / n_more
    return None


def _part(queues: Mapping[str, QueueDepth], level: frozenset[str]) -> tuple[int, int] | None:
    """Return how many events have come into a level, and how many are gone from it for good."""
    here = [queues[mqid] for mqid in level if mqid in queues]
    n_come = n_gone = 0
    for queue in here:
        if queue.n_arrived is None:
            return None
        n_come += queue.n_arrived
        # The broker tells late what is in hand; some of it may have gone since.
        n_gone += max(0, queue.n_arrived - queue.n_ready - queue.n_unacknowledged - queue.n_delayed)
    return n_come, n_gone
