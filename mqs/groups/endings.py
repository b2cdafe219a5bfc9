"""Decide how a workflow ends by itself: close its inputs, count its results, drain its queues. (core)

WMS's wish ──► the way into public inputs is closed ──► `mqs.quiescence`: level after level is empty ──► drained
          └──► `mqs.broker.traffic`: as many results as expected have arrived ──► WMS ends it
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from mqs.groups.lifecycle import UNCHANGED, GroupDecision
from schemas.events import Payload, QueuesDrained, ResultsArrived, WorkflowEnding
from schemas.fleet.queue_documents import GroupState, MQGroupDocument, MQProfileDocument
from schemas.ids import Mqid


def apply_ending(group: MQGroupDocument | None, event: WorkflowEnding, *, now: datetime) -> GroupDecision:
    """Return the group with how WMS wants the workflow to end. For a repeated order, return only the answer again.

    If the group is None or over, the order has no effect. WMS repeats an order that came before the request for queues.
    """
    if group is None or group.state not in (GroupState.RESERVED, GroupState.ACTIVE):
        return UNCHANGED
    if event.number <= group.ending_number:
        return GroupDecision(events=_repeat_answer(group))
    fields: dict[str, Any] = {
        "ending_number": event.number,
        "n_expected": event.n_expected,
        "counts_dead": event.counts_dead,
        "is_ending": True,
    }
    if (event.n_expected, event.counts_dead) != (group.n_expected, group.counts_dead):
        fields["results_arrived_at"] = None
    if event.is_closed:
        fields |= {"closed_at": group.closed_at or now, "levels": event.levels}
    return GroupDecision(group.model_copy(update=fields))


def find_inputs_to_shut(group: MQGroupDocument, profiles: Sequence[MQProfileDocument], level: int) -> tuple[Mqid, ...]:
    """Return the public inputs on `level` to shut. All levels before it must be empty for good.

    Tasks and users publish onto a queue in the same way. So an input onto which tasks publish stays open until all
    earlier levels are empty.
    """
    here = set(group.levels[level])
    return tuple(p.mqid for p in profiles if p.mqid in here and p.is_public and p.shut_at is None)


def count_results(arrived: Mapping[Mqid, int], profiles: Sequence[MQProfileDocument]) -> int:
    """Return how many results have arrived. `arrived` gives for each queue the number of all events that it has
    received.
    """
    return sum(arrived.get(profile.mqid, 0) for profile in profiles if profile.is_public and profile.is_output)


def mark_results_arrived(
    group: MQGroupDocument,
    arrived: Mapping[Mqid, int],
    n_dead: int,
    profiles: Sequence[MQProfileDocument],
    *,
    now: datetime,
) -> GroupDecision:
    """If the expected results have arrived, return the group with that fact, and the report for WMS. Otherwise change
    nothing.

    `arrived` maps each queue to the number of all events that it has received.
    """
    n_results = count_results(arrived, profiles)
    n = n_results + (n_dead if group.counts_dead else 0)
    if is_replaying(group, now) or not expects_results(group) or n < (group.n_expected or 0):
        return UNCHANGED
    event = ResultsArrived(workflow_id=group.workflow_id, n_results=n_results, n_dead=n_dead)
    after = group.model_copy(
        update={
            "results_arrived_at": now,
            "n_results": n_results,
            "n_dead": n_dead,
            # Without levels MQS has nothing more to watch; WMS ends the workflow now.
            "is_ending": is_closing(group),
        }
    )
    return GroupDecision(after, events=(event,))


def mark_drained(
    group: MQGroupDocument, rev: int, n_dead: int, n_results: int | None = None, *, now: datetime
) -> GroupDecision:
    """Return the group as drained. If the group has changed after `rev`, or no longer waits for this, change nothing.

    `n_results` is how many results have arrived, if WMS expects a number of results.
    """
    if group.rev != rev or not is_closing(group) or is_replaying(group, now):
        return UNCHANGED
    after = group.model_copy(
        update={
            "drained_at": now,
            "n_dead": n_dead,
            "n_results": n_results,
            "n_failed_at_end": n_dead + group.n_discarded,
            "is_ending": False,
        }
    )
    return GroupDecision(after, events=(_drained_event(after),))


def is_replaying(group: MQGroupDocument, now: datetime) -> bool:
    """Return whether dead letters may be on their way back into queues of `group`."""
    return group.has_unconfirmed_replays or is_sending_letters(group, now)


def is_sending_letters(group: MQGroupDocument, now: datetime) -> bool:
    """Return whether MQS is carrying out an order to replay dead letters of `group`."""
    return group.replaying_until is not None and now < group.replaying_until


def is_closing(group: MQGroupDocument) -> bool:
    """Return whether MQS must watch the queues of `group` until they are drained."""
    return group.state is GroupState.ACTIVE and group.closed_at is not None and group.drained_at is None


def expects_results(group: MQGroupDocument) -> bool:
    """Return whether MQS must count results of `group`: WMS expects more than have arrived."""
    return (
        group.state is GroupState.ACTIVE
        and group.n_expected is not None
        and group.results_arrived_at is None
        and group.drained_at is None
    )


def _repeat_answer(group: MQGroupDocument) -> tuple[Payload, ...]:
    if group.drained_at is not None:
        return (_drained_event(group),)
    if group.results_arrived_at is not None:
        return (ResultsArrived(workflow_id=group.workflow_id, n_results=group.n_results or 0, n_dead=group.n_dead),)
    return ()


def _drained_event(group: MQGroupDocument) -> QueuesDrained:
    return QueuesDrained(workflow_id=group.workflow_id, n_dead=group.n_dead, n_results=group.n_results)
