"""Decide when all events of a workflow with closed inputs are done. (core)

The queues from which tasks take events are sorted into levels. Before a pilot settles an event, it publishes the
results to queues of later levels, or makes the event a dead letter. So an event that is not settled is always in some
queue. If MQS finds one level after the other empty *for good*, all events are settled.

A level is empty for good if it was empty at a time when no event could enter it any more. Events enter from outside
until the inputs are shut. They enter from earlier levels until those are empty for good. And a replay can bring back
dead letters. A replay changes the group's `rev`, and then the watch begins again.

A queue's last report counts all of its events at one moment, and is up to `settle_s` old. So a level must be empty at
two checks, `settle_s` apart, after no event can enter: only the second report is surely from that time. A check looks
at the whole report. The events that are ready at the moment of the check are not enough: between two checks an event
may come back, be ready at the report, and be taken again. A restarted broker reports nothing at first, so after a new
connection the level is checked from the beginning.
"""

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class QuietWatch:
    """How far MQS has come with watching the queues of one group: which levels are empty for good."""

    #: The group's `rev` when the watch began.
    rev: int
    #: All levels before this one are empty for good. If it equals the number of levels, all events are settled.
    level: int = 0
    #: When a look first found the level empty; None if the last look found events.
    seen_at_s: float | None = None
    #: The number of the connection to the broker of that look.
    epoch: int = 0


def add_look(
    watch: QuietWatch, *, is_empty: bool, epoch: int, began_at_s: float, at_s: float, settle_s: float
) -> QuietWatch:
    """Return `watch` after a check of its level, which lasted from `began_at_s` to `at_s` on a monotonic clock.

    `epoch` is the number of the connection that was open from the first question of the check to its last answer.
    """
    if not is_empty:
        return replace(watch, seen_at_s=None, epoch=epoch)
    if watch.seen_at_s is None or watch.epoch != epoch:
        return replace(watch, seen_at_s=at_s, epoch=epoch)
    if began_at_s >= watch.seen_at_s + settle_s:
        # From now on no event can enter the next level, so its time begins here.
        return replace(watch, level=watch.level + 1, seen_at_s=None)
    return watch
