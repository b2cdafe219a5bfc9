"""Count how many events of a workflow are done, and how many there are, from the counts of its queues. (core)

A user's event is done when no task has to process the event, or an event that was made from it, and it has not failed.
Users published N events into the workflow's first queues. For each level of tasks, the queues show which part has left:

    done = N · (gone from level 0 / come into level 0) · (gone from level 1 / come into level 1) · ... - failed

The result is exact where each event makes one event for the next task, and proportional elsewhere. Once every queue is
empty, it is N minus the failed events. A replayed dead letter counts as one arrival: MQS counts replays, and this
module subtracts them.

The broker counts published events some seconds late, and results show at once. A task makes at most one result of each
event. So in a chain of tasks, while more events may come, N is never less than the results and the failed events, and
never less than the events that have come into a later queue. As many events as there are results are done.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from schemas.api.queues.profiles import QueueDepth, QueueDepths
from schemas.explain.levels import JoinsQueues, split_levels
from schemas.fleet.endings import Ending


@dataclass(frozen=True, slots=True)
class EventsDone:
    """How many events are done, how many there are, and how many failed."""

    n_done: int
    n_all: int
    #: Whether no more events can come. If more can come, a percentage means nothing.
    is_whole: bool
    n_failed: int = 0


def count_done(
    tasks: Collection[JoinsQueues], depths: QueueDepths | None, ending: Ending | None, *, is_ended: bool
) -> EventsDone | None:
    """Return how many of a workflow's events are done, how many have failed, and how many there are at this moment.

    Return None if the queues cannot show that. If `ending` expects a number of results, count results instead.
    `is_ended` says that the workflow has ended, so no more events can come.
    """
    levels = task_levels(tasks)
    if depths is None:
        return None
    if ending is not None and ending.expected_results is not None:
        return _count_results(tasks, depths, ending, ending.expected_results)
    if not levels:
        return None
    queues = {queue.mqid: queue for queue in depths.queues}
    parts = [_count_level(queues, level) for level in levels]
    known = [part for part in parts if part is not None]
    if len(known) < len(parts):
        return None
    is_closed = ending is not None and ending.inputs_closed_at is not None
    is_counted = is_closed and not any(queues[mqid].may_grow for mqid in levels[0] if mqid in queues)
    is_whole = is_counted or is_ended
    n_results = _count_chain_results(tasks, levels, queues)
    if n_results is not None and not is_whole:
        known[0] = _raise_first(known, n_least=n_results + depths.n_failed)
    n_all = known[0][0]
    n_widest = max(n_come for n_come, _ in known)
    left = Fraction(n_all)
    for n_come, n_gone in known:
        # If no event has come into a level, no event waits there.
        left *= Fraction(n_gone, n_come) if n_come else 1
    # If each event makes many others, a dead letter is only one of these.
    left -= depths.n_failed * min(Fraction(1), Fraction(n_all, n_widest or 1))
    n_done = max(0, int(left), min(n_results or 0, n_all - depths.n_failed))
    return EventsDone(n_done, n_all, is_whole=is_whole, n_failed=depths.n_failed)


def has_all_failed(tasks: Collection[JoinsQueues], depths: QueueDepths | None) -> bool:
    """Return whether every event has failed for good: none waits, none is in work, and none gave a result."""
    if depths is None:
        return False
    done = count_done(tasks, depths, None, is_ended=False)
    if done is None or done.n_done or not 0 < done.n_all <= done.n_failed:
        return False
    taken = {mqid for task in tasks for mqid in task.input_queues}
    made = {mqid for task in tasks for mqid in task.output_queues}
    return not any(
        (queue.mqid in taken and queue.n_ready + queue.n_unacknowledged + queue.n_delayed)
        or (queue.is_public and queue.mqid in made and queue.n_arrived)
        for queue in depths.queues
    )


def task_levels(tasks: Collection[JoinsQueues]) -> list[frozenset[str]]:
    """Return the queues from which tasks take events, level by level. Return no levels if they cannot show progress.

    A queue comes after all queues that can feed it. All queues of cycles are one level, because it is unknown how often
    an event goes round. If a task makes events without input, the total is unknown.
    """
    if not all(task.input_queues for task in tasks):
        return []
    levels, in_cycles = split_levels(tasks)
    if in_cycles and not levels:
        return []
    return [frozenset(level) for level in (*levels, in_cycles) if level]


def _count_chain_results(
    tasks: Collection[JoinsQueues], levels: Sequence[frozenset[str]], queues: Mapping[str, QueueDepth]
) -> int | None:
    """Return how many results a chain of tasks has made at least: the events in the fullest queue after its last task.

    Return None if the tasks form no chain, or if users may publish onto a queue within it: then a result shows nothing
    about the first queue.
    """
    inputs = [next(iter(level)) for level in levels]
    if any(len(level) > 1 for level in levels) or any(
        mqid not in queues or queues[mqid].is_public for mqid in inputs[1:]
    ):
        return None
    taken = set(inputs)
    fed: dict[str, set[str]] = {}
    for task in tasks:
        for mqid in task.output_queues:
            fed.setdefault(mqid, set()).update(task.input_queues)
    last = {inputs[-1]}
    return max((queues[q].n_arrived or 0 for q in fed if q in queues and q not in taken and fed[q] == last), default=0)


def _raise_first(parts: Sequence[tuple[int, int]], *, n_least: int) -> tuple[int, int]:
    """Return the counts of the first of a chain's queues. At least `n_least` events, and at least as many as into any
    later queue, have come into it. Those that the broker has not counted yet have gone on.
    """
    n_come, n_gone = parts[0]
    n_missing = max(0, n_least - n_come, *(n - n_come for n, _ in parts))
    return n_come + n_missing, n_gone + n_missing


def _count_results(tasks: Collection[JoinsQueues], depths: QueueDepths, ending: Ending, n_expected: int) -> EventsDone:
    """Return how many of the expected results have arrived. Failed events are not subtracted."""
    made = {mqid for task in tasks for mqid in task.output_queues}
    n_results = ending.n_results
    if n_results is None:
        n_results = sum(queue.n_arrived or 0 for queue in depths.queues if queue.is_public and queue.mqid in made)
    return EventsDone(min(n_results, n_expected), n_expected, is_whole=True, n_failed=depths.n_failed)


def _count_level(queues: Mapping[str, QueueDepth], level: frozenset[str]) -> tuple[int, int] | None:
    """Return how many events have come into a level, and how many have left. Return None if that is unknown."""
    here: Sequence[QueueDepth] = [queues[mqid] for mqid in level if mqid in queues]
    n_come = n_gone = 0
    for queue in here:
        if queue.n_arrived is None:
            return None
        n_once = max(0, queue.n_arrived - queue.n_replayed)
        n_come += n_once
        n_out = queue.n_gone
        if n_out is None:
            # An older MQS does not send this. The broker's number of unacknowledged events is some seconds old.
            n_out = queue.n_arrived - queue.n_ready - queue.n_unacknowledged - queue.n_delayed
        n_gone += min(n_once, max(0, n_out - queue.n_replayed))
    return n_come, n_gone
