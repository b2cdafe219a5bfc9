"""Count a workflow's arrivals, replays and failures by its group of queues. (core)

    a dead letter ──► replayed: counted at its queue of origin, and subtracted from the arrivals there
                 └──► discarded: counted among the failures, because it is no longer in the dead queue

MQS counts both before it carries them out, and corrects the count afterwards. So a look in between never counts an
event twice.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from mqs.groups.lifecycle import GroupDecision
from schemas.attempts.dead_letters import LetterAction
from schemas.fleet.queue_documents import MQGroupDocument, MQProfileDocument
from schemas.ids import Mqid


def count_letters(group: MQGroupDocument, action: LetterAction, n_of: Mapping[str, int]) -> GroupDecision:
    """Return the group's change that adds `n_of` (queue of origin -> dead letters) to its replayed or discarded
    letters. Negative numbers subtract.
    """
    if action is LetterAction.DISCARD:
        n_discarded = max(0, group.n_discarded + sum(n_of.values()))
        return GroupDecision(group.model_copy(update={"n_discarded": n_discarded}))
    replayed = dict(group.replayed)
    for queue, n in n_of.items():
        replayed[Mqid(queue)] = max(0, replayed.get(Mqid(queue), 0) + n)
    return GroupDecision(group.model_copy(update={"replayed": replayed}))


def count_failed(group: MQGroupDocument, n_dead: int) -> int:
    """Return how many events of the workflow have failed. `n_dead` is the number of letters in its dead queue.

    If the workflow has ended by itself, return the number at its end. Later replays and discards do not change it.
    """
    return group.n_failed_at_end if group.drained_at is not None else n_dead + group.n_discarded


def may_grow(profile: MQProfileDocument, now: datetime, *, counted_within: timedelta) -> bool:
    """Return whether the count of a queue may still grow: events may have come before MQS shut it, and are not counted
    yet.

    The broker counts arrivals within `counted_within`.
    """
    return profile.is_public and (profile.shut_at is None or now - profile.shut_at < counted_within)


def count_seen(
    group: MQGroupDocument, profiles: Sequence[MQProfileDocument], arrived: Mapping[str, int]
) -> dict[Mqid, int | None]:
    """Return queue id -> how many events the queue has received. The value is None if MQS does not know.

    It does not know if a user has ended the workflow: then it has deleted the queues together with the events in them.
    """
    return {
        profile.mqid: None
        if profile.is_input and profile.retired_at is not None and group.drained_at is None
        else arrived.get(profile.mqid, 0)
        for profile in profiles
    }
