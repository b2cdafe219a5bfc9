"""What a group of queues tells of its workflow's progress: arrivals, replays and failures. Nothing here performs I/O.

    a dead letter ──► replayed: counted at its queue of origin, to be taken out of what arrived there
                 └──► discarded: counted among the failures, for it is in the dead queue no more

Both are counted before they are done and corrected after, so that a look in between never finds an event twice.
"""

from collections.abc import Mapping, Sequence

from mqs.groups.lifecycle import Outcome
from schemas.documents import MQGroupDocument, MQProfileDocument
from schemas.failures.dead_letters import LetterAction
from schemas.ids import Mqid


def count_letters(group: MQGroupDocument, action: LetterAction, n_of: Mapping[str, int]) -> Outcome:
    """Return the group once `n_of` more dead letters, by queue of origin, are replayed or discarded; fewer: below 0."""
    if action is LetterAction.DISCARD:
        n_discarded = max(0, group.n_discarded + sum(n_of.values()))
        return Outcome(group.model_copy(update={"n_discarded": n_discarded}))
    replayed = dict(group.replayed)
    for queue, n in n_of.items():
        replayed[Mqid(queue)] = max(0, replayed.get(Mqid(queue), 0) + n)
    return Outcome(group.model_copy(update={"replayed": replayed}))


def count_failed(group: MQGroupDocument, n_dead: int) -> int:
    """Return how many events of the workflow failed, where `n_dead` lie among the dead letters.

    Of a workflow that ended by itself they are those of its end, whatever has become of its dead letters since.
    """
    return group.n_failed_at_end if group.drained_at is not None else n_dead + group.n_discarded


def queues_seen(
    group: MQGroupDocument, profiles: Sequence[MQProfileDocument], arrived: Mapping[str, int]
) -> dict[Mqid, int | None]:
    """Return how many events each queue has got; None where nothing tells what has become of them.

    A queue of a workflow that somebody ended is deleted with whatever was in it.
    """
    return {
        profile.mqid: None
        if profile.is_input and profile.retired_at is not None and group.drained_at is None
        else arrived.get(profile.mqid, 0)
        for profile in profiles
    }
