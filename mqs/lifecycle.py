"""A group of queues and a stimulus become the group's next state and events to send. Nothing here performs I/O.

             requested                        activated
    (none) ────────────► reserved ────────────────────────────► active
                            │  admitted ↺, deferred ↺             │ over
                            │ over                                ▼
                            │        (admitted: queues may exist) retiring
                            └──────────────► retired ◄────────────┘ the last queue is gone

The intent is written down first (`admitted_at`), the broker is changed after that, and the result is recorded last:
`next_step` says from the stored state alone what is to be done on the broker, so that a crash anywhere in between is
healed by asking it again. Whatever comes late or twice changes nothing.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from mqs.admission import Admitted, Deferred, Verdict
from schemas.documents import GroupState, MQGroupDocument, MQProfileDocument
from schemas.events import Payload, QueuesActivated, QueuesDeferred, WorkflowRequested
from schemas.ids import Mqid, WorkflowId


@dataclass(frozen=True, slots=True)
class Rules:
    """How long things wait."""

    #: A step on the broker that brought no result is tried again after this.
    retry: timedelta = timedelta(seconds=5)
    #: A deferred group is looked at again after this, if nothing was released before.
    defer: timedelta = timedelta(seconds=30)
    #: How often queues that outlive their workflow are looked at, how long they must be empty and unused, and when
    #: they go in any case (ruling 8).
    look: timedelta = timedelta(minutes=1)
    unused: timedelta = timedelta(minutes=10)
    retention: timedelta = timedelta(days=7)
    #: How often WMS is told again of queues that are active: the answer, if the workflow is over, is that it is.
    remind: timedelta = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a stimulus makes of a group. Nothing at all is the outcome of what comes late or twice."""

    #: The group as it becomes; None: as it is.
    group: MQGroupDocument | None = None
    #: The profiles that are new or changed.
    profiles: tuple[MQProfileDocument, ...] = ()
    events: tuple[Payload, ...] = ()


UNCHANGED = Outcome()


# ---- what has to be done on the broker


@dataclass(frozen=True, slots=True)
class Declare:
    """Create the group's queues."""


@dataclass(frozen=True, slots=True)
class Remove:
    """Delete these queues, and the workflow's dead letters if they go too."""

    mqids: tuple[Mqid, ...]
    with_dead_letters: bool


@dataclass(frozen=True, slots=True)
class Look:
    """See whether any of these queues, or the dead letters, is in use."""

    mqids: tuple[Mqid, ...]


@dataclass(frozen=True, slots=True)
class Remind:
    """Tell WMS again that the queues are active."""


Task = Declare | Remove | Look | Remind


def next_step(
    group: MQGroupDocument, profiles: Sequence[MQProfileDocument], now: datetime, rules: Rules
) -> Task | None:
    """Return what `group` needs done on the broker at `now`; None: nothing, or nothing yet."""
    match group.state:
        case GroupState.RESERVED:
            return Declare() if group.admitted_at is not None else None
        case GroupState.ACTIVE:
            return Remind() if group.wake_at is not None and now >= group.wake_at else None
        case GroupState.RETIRED:
            return None
        case GroupState.RETIRING:
            left = [profile for profile in profiles if profile.retired_at is None]
            everything = Remove(tuple(profile.mqid for profile in left), with_dead_letters=True)
            # Nobody had a token for queues that never became active: nothing can be in them.
            if group.activated_at is None or now >= _over_at(group) + rules.retention:
                return everything
            if private := tuple(profile.mqid for profile in left if not profile.is_public):
                return Remove(private, with_dead_letters=False)
            return Look(everything.mqids) if group.wake_at is None or now >= group.wake_at else None


def after_look(
    group: MQGroupDocument, profiles: Sequence[MQProfileDocument], *, in_use: bool, now: datetime, rules: Rules
) -> Outcome | Remove:
    """Return what follows from a look at the queues of a retiring group: remove them all, or look again later."""
    if group.state is not GroupState.RETIRING:
        return UNCHANGED
    last_used_at = now if in_use else _last_used_at(group)
    if not in_use and now >= last_used_at + rules.unused:
        return Remove(tuple(profile.mqid for profile in profiles if profile.retired_at is None), with_dead_letters=True)
    wake_at = min(now + rules.look, last_used_at + rules.unused, _over_at(group) + rules.retention)
    return Outcome(group.model_copy(update={"last_used_at": last_used_at, "wake_at": max(wake_at, now)}))


# ---- stimuli


def requested(
    group: MQGroupDocument | None, event: WorkflowRequested, verdict: Verdict, *, now: datetime, rules: Rules
) -> Outcome:
    """Return what a workflow's wish for queues leads to.

    A repetition is answered again, and changes nothing but the list of schedds: workers added later may bring one.
    """
    if group is None:
        return _reserved(event, verdict, now, rules)
    events: tuple[Payload, ...] = ()
    if group.state is GroupState.ACTIVE:
        events = (QueuesActivated(workflow_id=group.workflow_id),)
    elif group.state is GroupState.RESERVED and group.admitted_at is None:
        events = (QueuesDeferred(workflow_id=group.workflow_id, reason=group.deferred),)
    new = [schedd for schedd in event.schedds if schedd not in group.schedds]
    if new and group.state in (GroupState.RESERVED, GroupState.ACTIVE):
        return Outcome(group.model_copy(update={"schedds": [*group.schedds, *new]}), events=events)
    return Outcome(events=events)


def reconsidered(group: MQGroupDocument, verdict: Verdict, *, now: datetime, rules: Rules) -> Outcome:
    """Return what a new verdict makes of a group that waits. WMS hears of the end of the wait by the activation."""
    if group.state is not GroupState.RESERVED or group.admitted_at is not None:
        return UNCHANGED
    match verdict:
        case Admitted():
            return Outcome(group.model_copy(update={"admitted_at": now, "deferred": "", "wake_at": now + rules.retry}))
        case Deferred(reason):
            return Outcome(group.model_copy(update={"deferred": reason, "wake_at": now + rules.defer}))


def activated(group: MQGroupDocument, profiles: Sequence[MQProfileDocument], *, now: datetime, rules: Rules) -> Outcome:
    """Return the group once its queues exist. If the workflow was over in the meantime, nothing: they go again."""
    if group.state is not GroupState.RESERVED or group.admitted_at is None:
        return UNCHANGED
    return Outcome(
        group.model_copy(
            update={
                "state": GroupState.ACTIVE,
                "criteria": {"priority": group.priority},
                "activated_at": now,
                # Of what another WMS has reserved ours knows nothing.
                "wake_at": now + rules.remind if group.owner else None,
            }
        ),
        tuple(profile.model_copy(update={"is_activated": True}) for profile in profiles),
        (QueuesActivated(workflow_id=group.workflow_id),) if group.owner else (),
    )


def reminded(group: MQGroupDocument, *, now: datetime, rules: Rules) -> Outcome:
    """Return what tells WMS again of an active group, in case that the end of its workflow was lost on the way."""
    if group.state is not GroupState.ACTIVE:
        return UNCHANGED
    return Outcome(
        group.model_copy(update={"wake_at": now + rules.remind}),
        events=(QueuesActivated(workflow_id=group.workflow_id),),
    )


def over(
    group: MQGroupDocument | None, workflow_id: WorkflowId, profiles: Sequence[MQProfileDocument], *, now: datetime
) -> Outcome:
    """Return what the end of a workflow makes of its group.

    An end that overtakes the request leaves a group that is retired already: the request that still comes would
    create queues that nobody takes away.
    """
    if group is None:
        return Outcome(
            MQGroupDocument(workflow_id=workflow_id, timestamp=now.timestamp(), state=GroupState.RETIRED, over_at=now)
        )
    match group.state:
        case GroupState.RESERVED if group.admitted_at is None:
            return Outcome(_retired(group, now), _gone(profiles, now))
        case GroupState.RESERVED | GroupState.ACTIVE:
            return Outcome(
                group.model_copy(
                    update={"state": GroupState.RETIRING, "over_at": now, "last_used_at": now, "wake_at": now}
                )
            )
        case _:
            return UNCHANGED


def removed(
    group: MQGroupDocument, profiles: Sequence[MQProfileDocument], done: Remove, *, now: datetime, rules: Rules
) -> Outcome:
    """Return the group once the broker has deleted what `done` names."""
    if group.state is not GroupState.RETIRING:
        return UNCHANGED
    deleted = set(done.mqids)
    gone = _gone((profile for profile in profiles if profile.mqid in deleted), now)
    n_left = sum(profile.retired_at is None and profile.mqid not in deleted for profile in profiles)
    if done.with_dead_letters and not n_left:
        return Outcome(_retired(group, now), gone)
    n_queues = n_left + 1  # the dead letters
    return Outcome(group.model_copy(update={"n_queues": n_queues, "wake_at": now + rules.look}), gone)


def held(group: MQGroupDocument | None) -> int:
    """Return how many queues of the broker's budget `group` holds."""
    if group is None or group.admitted_at is None or group.state is GroupState.RETIRED:
        return 0
    return group.n_queues


def n_queues_of(event: WorkflowRequested) -> int:
    """Return how many queues a workflow asks for: its own, and the one for its dead letters."""
    return len(event.queues) + 1


def _reserved(event: WorkflowRequested, verdict: Verdict, now: datetime, rules: Rules) -> Outcome:
    admitted = isinstance(verdict, Admitted)
    group = MQGroupDocument(
        workflow_id=event.workflow_id,
        timestamp=now.timestamp(),
        priority=event.priority,
        owner=event.owner,
        projects=event.projects,
        schedds=event.schedds,
        n_queues=n_queues_of(event),
        admitted_at=now if admitted else None,
        deferred="" if isinstance(verdict, Admitted) else verdict.reason,
        wake_at=now + (rules.retry if admitted else rules.defer),
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
    return Outcome(group, profiles, events)


def _retired(group: MQGroupDocument, now: datetime) -> MQGroupDocument:
    return group.model_copy(
        update={
            "state": GroupState.RETIRED,
            "over_at": group.over_at or now,
            "n_queues": 0,
            "deferred": "",
            "wake_at": None,
        }
    )


def _gone(profiles: Iterable[MQProfileDocument], now: datetime) -> tuple[MQProfileDocument, ...]:
    return tuple(
        profile.model_copy(update={"is_activated": False, "retired_at": now})
        for profile in profiles
        if profile.retired_at is None
    )


def _over_at(group: MQGroupDocument) -> datetime:
    assert group.over_at is not None, "a retiring group knows since when"
    return group.over_at


def _last_used_at(group: MQGroupDocument) -> datetime:
    return group.last_used_at or _over_at(group)
