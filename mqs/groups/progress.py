"""Count a workflow's arrivals, replays and failures by its group of queues. Nothing here performs I/O.

    a dead letter ──► replayed: counted at its queue of origin, to be taken out of what arrived there
                 └──► discarded: counted among the failures, for it is in the dead queue no more

MQS counts both before it does them and corrects the count afterwards, so that a look in between never finds an event
twice.
"""

from collections.abc import Mapping, Sequence

from mqs.groups.lifecycle import GroupDecision
from schemas.documents import MQGroupDocument, MQProfileDocument
from schemas.failures.dead_letters import LetterAction
from schemas.ids import Mqid


def count_letters(group: MQGroupDocument, action: LetterAction, n_of: Mapping[str, int]) -> GroupDecision:
    """Add `n_of` dead letters, by queue of origin, to those replayed or discarded; negative numbers take some back."""
    if action is LetterAction.DISCARD:
        n_discarded = max(0, group.n_discarded + sum(n_of.values()))
        return GroupDecision(group.model_copy(update={"n_discarded": n_discarded}))
    replayed = dict(group.replayed)
    for queue, n in n_of.items():
        replayed[Mqid(queue)] = max(0, replayed.get(Mqid(queue), 0) + n)
    return GroupDecision(group.model_copy(update={"replayed": replayed}))


def count_failed(group: MQGroupDocument, n_dead: int) -> int:
    """Return how many events of the workflow failed; `n_dead` lie in its dead queue.

    For a workflow that ended by itself this is the number at its end, whatever happened to its dead letters since.
    """
    return group.n_failed_at_end if group.drained_at is not None else n_dead + group.n_discarded


def count_seen(
    group: MQGroupDocument, profiles: Sequence[MQProfileDocument], arrived: Mapping[str, int]
) -> dict[Mqid, int | None]:
    """Return how many events each queue has received; None if nobody knows what became of them.

    If somebody ended the workflow, its queues were deleted with whatever was in them.
    """
    return {
        profile.mqid: None
        if profile.is_input and profile.retired_at is not None and group.drained_at is None
        else arrived.get(profile.mqid, 0)
        for profile in profiles
    }
