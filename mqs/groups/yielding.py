"""Choose the queues of ended workflows that MQS deletes earlier to make room for a waiting workflow (ruling 8). (core)

A queue whose workflow is over gets no more events. When it is empty and has no consumer, it stays for `Rules.unused`,
so that its user finds an empty queue and no error. While another workflow waits for room, MQS deletes the queue at
once. Its user then gets the error that the workflow is over and the queue was deleted.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence

from mqs.groups.admission import Deferred, Shortage, Verdict
from mqs.groups.broker_steps import Remove, over_at
from mqs.groups.lifecycle import count_held
from schemas.broker.topology import dead_queue
from schemas.fleet.queue_documents import GroupState, MQGroupDocument, MQProfileDocument
from schemas.ids import WorkflowId


def sum_shortages(verdicts: Iterable[Verdict]) -> tuple[Shortage, ...]:
    """Return the sums of the shortages in `verdicts`: one for queues of any owner, and one for each owner."""
    total: dict[str | None, int] = {}
    for verdict in verdicts:
        if isinstance(verdict, Deferred) and (shortage := verdict.shortage) is not None:
            total[shortage.owner] = total.get(shortage.owner, 0) + shortage.n_queues
    return tuple(Shortage(n_queues, owner) for owner, n_queues in total.items())


def find_candidates(
    groups: Mapping[WorkflowId, MQGroupDocument], owners: Mapping[WorkflowId, str], shortage: Shortage
) -> list[WorkflowId]:
    """Return the ids of the workflows whose queues MQS may delete to end `shortage`, in the order of their ends."""
    may_go = [
        group
        for name, group in groups.items()
        if group.state is GroupState.RETIRING and count_held(group) and shortage.owner in (None, owners.get(name))
    ]
    return [group.workflow_id for group in sorted(may_go, key=lambda group: (over_at(group), group.workflow_id))]


def find_idle_queues(
    group: MQGroupDocument, profiles: Sequence[MQProfileDocument], in_use: Collection[str]
) -> tuple[str, ...]:
    """Return the idle queues of a retiring group. Return none if the group is in another state.

    `in_use` are the queues that hold events or have a consumer. A public queue that still accepts events is not idle.
    The dead queue is the last of the result, and only if all other queues of the group are idle, too.
    """
    if group.state is not GroupState.RETIRING:
        return ()
    left = [profile for profile in profiles if profile.retired_at is None]
    names = [
        profile.mqid
        for profile in left
        if profile.mqid not in in_use and (profile.shut_at is not None or not (profile.is_public and profile.is_input))
    ]
    dead = dead_queue(group.workflow_id)
    # Delete the dead queue last, because the other queues may still add to it.
    return (*names, dead) if dead not in in_use and len(names) == len(left) else tuple(names)


def choose_removal(
    group: MQGroupDocument, profiles: Sequence[MQProfileDocument], idle: Sequence[Collection[str]]
) -> Remove | None:
    """Return the queues of a group to delete: those that were idle at every check in `idle`. Return None if there are
    none.
    """
    if group.state is not GroupState.RETIRING or not idle:
        return None
    always = set(idle[0]).intersection(*idle[1:])
    mqids = tuple(profile.mqid for profile in profiles if profile.retired_at is None and profile.mqid in always)
    with_dead_letters = dead_queue(group.workflow_id) in always
    return Remove(mqids, with_dead_letters=with_dead_letters) if mqids or with_dead_letters else None
