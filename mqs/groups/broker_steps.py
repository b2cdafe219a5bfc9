"""Decide the next step on the broker from a group's stored state. (core)

MQS records the intent first (`admitted_at`, `over_at`), then changes the broker, then records the result. After a crash
in between, the stored state asks for the same step again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from schemas.fleet.queue_documents import GroupState, MQGroupDocument, MQProfileDocument
from schemas.ids import Mqid


@dataclass(frozen=True, slots=True)
class Rules:
    """The times and intervals by which MQS decides about groups."""

    #: MQS repeats a step on the broker that failed after this.
    retry: timedelta = timedelta(seconds=5)
    #: MQS judges a deferred group again after this, or sooner if queues are released.
    defer: timedelta = timedelta(seconds=30)
    #: For queues that outlive their workflow: how often MQS checks them, after which time empty and unused MQS deletes
    #: them, and after which time it deletes them in any case (ruling 8).
    look: timedelta = timedelta(minutes=1)
    unused: timedelta = timedelta(minutes=10)
    retention: timedelta = timedelta(days=7)
    #: The time between the two looks at queues that give way to a waiting workflow. The broker's counts of
    #: unacknowledged events must be younger than this.
    settle: timedelta = timedelta(seconds=6)
    #: How often MQS reminds WMS of active queues. If the workflow is over, WMS answers with that fact.
    remind: timedelta = timedelta(hours=1)
    #: How long a group of another WMS must be unused to count as abandoned. This is at least as long as a token lives,
    #: so that no valid token is left. MQS checks as often as it reminds WMS.
    abandoned: timedelta = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Declare:
    """Create the group's queues."""


@dataclass(frozen=True, slots=True)
class Open:
    """Make the group's new queues usable, so that MQS can give out tokens for them."""


@dataclass(frozen=True, slots=True)
class Shut:
    """Close these queues to new events, because no task will take events from them. Publishers get an error."""

    mqids: tuple[Mqid, ...]


@dataclass(frozen=True, slots=True)
class Remove:
    """Delete these queues. If `with_dead_letters`, also delete the workflow's dead letters."""

    mqids: tuple[Mqid, ...]
    with_dead_letters: bool


@dataclass(frozen=True, slots=True)
class Look:
    """Check whether any of these queues, or the dead queue, is in use."""

    mqids: tuple[Mqid, ...]


@dataclass(frozen=True, slots=True)
class Remind:
    """Tell WMS again that the queues are active."""


@dataclass(frozen=True, slots=True)
class Forget:
    """Do nothing on the broker: these queues were reserved but never created."""


Task = Declare | Open | Shut | Remove | Look | Remind | Forget


def next_step(
    group: MQGroupDocument, profiles: Sequence[MQProfileDocument], now: datetime, rules: Rules
) -> Task | None:
    """Return the next step on the broker for `group` at `now`. Return None if no step is due."""
    match group.state:
        case GroupState.RESERVED:
            if group.unasked:
                return Forget() if now >= last_used_at(group) + rules.abandoned else None
            return Declare() if group.admitted_at is not None else None
        case GroupState.ACTIVE if not group.is_open:
            return Open()
        case GroupState.ACTIVE if not group.owner:
            due = group.wake_at is None or now >= group.wake_at
            return Look(tuple(profile.mqid for profile in profiles)) if due else None
        case GroupState.ACTIVE:
            # A queue onto which tasks publish stays open until no more events can come from them; see
            # `mqs.groups.endings`.
            if group.closed_at is not None and (
                inputs := tuple(p.mqid for p in profiles if p.is_public and not p.is_output and p.shut_at is None)
            ):
                return Shut(inputs)
            return Remind() if group.wake_at is not None and now >= group.wake_at else None
        case GroupState.RETIRED:
            return None
        case GroupState.RETIRING:
            left = [profile for profile in profiles if profile.retired_at is None]
            everything = Remove(tuple(profile.mqid for profile in left), with_dead_letters=True)
            # Queues that were never open are empty, because no token for them exists.
            if group.activated_at is None or not group.is_open or now >= over_at(group) + rules.retention:
                return everything
            # Tasks may still take the events in the public inputs. Queues from which users consume stay as they are.
            if inputs := tuple(p.mqid for p in left if p.is_public and p.is_input and p.shut_at is None):
                return Shut(inputs)
            if private := tuple(profile.mqid for profile in left if not profile.is_public):
                return Remove(private, with_dead_letters=False)
            return Look(everything.mqids) if group.wake_at is None or now >= group.wake_at else None


def last_used_at(group: MQGroupDocument) -> datetime:
    """Return when the queues of `group` were last known to be in use, but not earlier than their activation."""
    used_at = group.last_used_at or group.over_at or datetime.fromtimestamp(group.timestamp, UTC)
    # No client could use them while the group waited for them.
    return max(used_at, group.activated_at or used_at)


def over_at(group: MQGroupDocument) -> datetime:
    """Return when the workflow of a retiring `group` became over."""
    assert group.over_at is not None, "a retiring group knows since when"
    return group.over_at
