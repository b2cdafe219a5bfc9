"""Decide when a workflow with closed inputs has nothing left to do. (core)

The queues that tasks take events from are sorted into levels. Before a pilot settles an event, it publishes the results
to queues of later levels, or puts the event among the dead letters. So an event that is not settled is always in some
queue. Once every level in turn was found empty *for good*, all events are settled.

A level is empty for good if it was empty at a time when nothing could enter it any more. Events enter from outside,
until the inputs are shut; from earlier levels, until those are empty for good; and from the dead letters, by a replay,
which changes the group's `rev` and so begins the watch anew.

The number of ready events is exact. The numbers of unacknowledged and delayed events are what a queue last reported, up
to `settle_s` ago. So a level must be seen empty twice, `settle_s` apart, after nothing can enter: only the second
report is surely from that time. A broker that restarts reports nothing at first, so a new connection begins the level
anew.
"""

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class QuietWatch:
    """How far the watch over one group's queues has come."""

    #: The group's `rev` when the watch began.
    rev: int
    #: All levels before this one are empty for good. If it equals the number of levels, all events are settled.
    level: int = 0
    #: When the level was first seen empty; None if the last look found events.
    seen_at_s: float | None = None
    #: The connection to the broker over which it was seen.
    epoch: int = 0


def add_look(
    watch: QuietWatch, *, is_empty: bool, epoch: int, began_at_s: float, at_s: float, settle_s: float
) -> QuietWatch:
    """Return `watch` after a look at its level that took from `began_at_s` to `at_s`, on any monotonic clock.

    `epoch` is the connection that was open from the first question of the look to its last answer.
    """
    if not is_empty:
        return replace(watch, seen_at_s=None, epoch=epoch)
    if watch.seen_at_s is None or watch.epoch != epoch:
        return replace(watch, seen_at_s=at_s, epoch=epoch)
    if began_at_s >= watch.seen_at_s + settle_s:
        # From here on nothing can enter the next level, so its time begins here.
        return replace(watch, level=watch.level + 1, seen_at_s=None)
    return watch
