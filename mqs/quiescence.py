"""When a workflow whose inputs are closed has nothing left to do. (core)

The queues that tasks take events from stand in levels. A pilot puts what comes of an event into queues of later levels,
or among the dead letters, before it lets the event go: until it is settled an event is in some queue. Once level after
level has been found empty *for good*, all is settled.

A level is empty for good if it was empty when nothing could get into it any more. What can get in comes from outside,
until the way in is closed; from earlier levels, until those are empty for good; from the dead letters, by a replay,
which changes the group's `rev` and so begins the watch anew.

What lies ready is known exactly. What is in work or put off is what a queue last reported, up to `settle_s` ago. So a
level has to be seen empty twice, `settle_s` apart, after nothing can get in: the second report is from that time. A
broker that restarts reports nothing at first, so a new connection begins the level anew.
"""

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Watch:
    """How far a look at the queues of one group has come."""

    #: The group's `rev` when the watch began.
    rev: int
    #: All levels before this one are empty for good; as many as there are: all is settled.
    level: int = 0
    #: When the level was first seen empty; None: it was not, the last time.
    seen_at_s: float | None = None
    #: Which connection to the broker has seen it.
    epoch: int = 0


def after_look(watch: Watch, *, is_empty: bool, epoch: int, began_at_s: float, at_s: float, settle_s: float) -> Watch:
    """Return `watch` after a look at its level that took from `began_at_s` to `at_s`, on any clock that only goes on.

    `epoch` is the connection that was there from the first question of the look to its last answer.
    """
    if not is_empty:
        return replace(watch, seen_at_s=None, epoch=epoch)
    if watch.seen_at_s is None or watch.epoch != epoch:
        return replace(watch, seen_at_s=at_s, epoch=epoch)
    if began_at_s >= watch.seen_at_s + settle_s:
        # The next level can get nothing from here on, so the time from here on counts for it.
        return replace(watch, level=watch.level + 1, seen_at_s=None)
    return watch
