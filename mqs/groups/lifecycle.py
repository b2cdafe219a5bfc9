"""Decide a group's next state, and the events to send, from the group and a stimulus. (core)

             requested                        activated
    (none) ────────────► reserved ────────────────────────────► active
                            │  admitted ↺, deferred ↺             │ over
                            │ over                                ▼
                            │        (admitted: queues may exist) retiring
                            └──────────────► retired ◄────────────┘ the last queue is gone

`mqs.groups.broker_steps` decides what each state needs on the broker. `mqs.groups.retirement` retires groups. A
stimulus that comes late or twice changes nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from mqs.groups.admission import Admitted, Deferred, Verdict
from mqs.groups.broker_steps import Rules
from schemas.events import (
    Fact,
    Payload,
    QueuesActivated,
    QueuesActivatedFact,
    QueuesDeferred,
    WorkflowRequested,
)
from schemas.fleet.queue_documents import GroupState, MQGroupDocument, MQProfileDocument


@dataclass(frozen=True, slots=True)
class GroupDecision:
    """The changes and events that follow from a stimulus. It is empty if the stimulus comes late or twice."""

    #: The changed group; None if it stays as it is.
    group: MQGroupDocument | None = None
    #: The profiles that are new or changed.
    profiles: tuple[MQProfileDocument, ...] = ()
    #: Orders to WMS.
    events: tuple[Payload, ...] = ()
    #: Facts about what has happened, for any service that listens.
    facts: tuple[Fact, ...] = ()

    @property
    def effects(self) -> tuple[Payload, ...]:
        """Return all events to send with the group's new state."""
        return (*self.events, *self.facts)


UNCHANGED = GroupDecision()


def apply_request(
    group: MQGroupDocument | None,
    event: WorkflowRequested,
    verdict: Verdict,
    *,
    now: datetime,
    rules: Rules,
    traceparent: str = "",
) -> GroupDecision:
    """Return the decision about a workflow's request for queues. `traceparent` is the trace of the request.

    For a repeated request, repeat the answer. Only the list of schedds may change, because workers that are added later
    may bring a new schedd.
    """
    if group is None:
        return _reserve_group(event, verdict, now, rules, traceparent)
    events: tuple[Payload, ...] = ()
    if group.state is GroupState.ACTIVE:
        events = (QueuesActivated(workflow_id=group.workflow_id),)
    elif group.state is GroupState.RESERVED and group.admitted_at is None:
        events = (QueuesDeferred(workflow_id=group.workflow_id, reason=group.deferred),)
    new = [schedd for schedd in event.schedds if schedd not in group.schedds]
    if new and group.state in (GroupState.RESERVED, GroupState.ACTIVE):
        return GroupDecision(group.model_copy(update={"schedds": [*group.schedds, *new]}), events=events)
    return GroupDecision(events=events)


def apply_verdict(group: MQGroupDocument, verdict: Verdict, *, now: datetime, rules: Rules) -> GroupDecision:
    """Return a waiting group with its new verdict. WMS hears nothing of it: the activation will tell it that the wait
    is over.
    """
    if group.state is not GroupState.RESERVED or group.admitted_at is not None:
        return UNCHANGED
    match verdict:
        case Admitted():
            return GroupDecision(
                group.model_copy(update={"admitted_at": now, "deferred": "", "wake_at": now + rules.retry})
            )
        case Deferred(reason):
            return GroupDecision(group.model_copy(update={"deferred": reason, "wake_at": now + rules.defer}))


def mark_active(
    group: MQGroupDocument, profiles: Sequence[MQProfileDocument], *, now: datetime, rules: Rules
) -> GroupDecision:
    """Return the group as active, after its queues were created. They are not open yet: `mark_open` follows.

    If the workflow has ended meanwhile, change nothing: the caller deletes the queues again.
    """
    if group.state is not GroupState.RESERVED or group.admitted_at is None:
        return UNCHANGED
    return GroupDecision(
        group.model_copy(
            update={
                "state": GroupState.ACTIVE,
                "criteria": {"priority": group.priority},
                "activated_at": now,
                "is_open": False,
                "wake_at": now + rules.retry,
            }
        ),
        tuple(profile.model_copy(update={"is_activated": True}) for profile in profiles),
        (QueuesActivated(workflow_id=group.workflow_id),) if group.owner else (),
        (QueuesActivatedFact(workflow_id=group.workflow_id, activated_at=now),),
    )


def mark_open(group: MQGroupDocument, *, now: datetime, rules: Rules) -> GroupDecision:
    """Return the group as open, after its queues became usable. If the workflow has ended meanwhile, change nothing."""
    if group.state is not GroupState.ACTIVE or group.is_open:
        return UNCHANGED
    return GroupDecision(group.model_copy(update={"is_open": True, "wake_at": now + rules.remind}))


def remind_wms(group: MQGroupDocument, *, now: datetime, rules: Rules) -> GroupDecision:
    """Return the change and the event that inform WMS again that an active group exists, in case the event about the
    workflow's end was lost.
    """
    if group.state is not GroupState.ACTIVE:
        return UNCHANGED
    return GroupDecision(
        group.model_copy(update={"wake_at": now + rules.remind}),
        events=(QueuesActivated(workflow_id=group.workflow_id),),
    )


def count_held(group: MQGroupDocument | None) -> int:
    """Return how many queues of `group` count in the broker's budget."""
    if group is None or group.admitted_at is None or group.state is GroupState.RETIRED:
        return 0
    return group.n_queues


def count_queues(event: WorkflowRequested) -> int:
    """Return how many queues a workflow needs: those that it requests, and one more for all its dead letters."""
    return len(event.queues) + 1


def _reserve_group(
    event: WorkflowRequested, verdict: Verdict, now: datetime, rules: Rules, traceparent: str
) -> GroupDecision:
    admitted = isinstance(verdict, Admitted)
    group = MQGroupDocument(
        workflow_id=event.workflow_id,
        timestamp=now.timestamp(),
        priority=event.priority,
        owner=event.owner,
        projects=event.projects,
        schedds=event.schedds,
        n_queues=count_queues(event),
        admitted_at=now if admitted else None,
        deferred="" if isinstance(verdict, Admitted) else verdict.reason,
        wake_at=now + (rules.retry if admitted else rules.defer),
        traceparent=traceparent,
    )
    profiles = tuple(
        MQProfileDocument(
            mqid=queue.mqid,
            workflow_id=event.workflow_id,
            timestamp=group.timestamp,
            alias=queue.alias,
            is_public=queue.is_public,
            is_activated=False,
            position=position,
            is_input=queue.is_input,
            is_output=queue.is_output,
        )
        for position, queue in enumerate(event.queues)
    )
    events = () if admitted else (QueuesDeferred(workflow_id=group.workflow_id, reason=group.deferred),)
    return GroupDecision(group, profiles, events)
