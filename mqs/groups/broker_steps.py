"""What a group of queues needs done on the broker, told from its stored state alone. (core)

The intent is written down first (`admitted_at`, `over_at`), the broker is changed after that, and the result is
recorded last: a crash anywhere in between is healed by asking again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from schemas.documents import GroupState, MQGroupDocument, MQProfileDocument
from schemas.ids import Mqid


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
    #: Between the two looks at queues that give way to a workflow which waits: longer than the broker's figures of
    #: what is unacknowledged are old.
    settle: timedelta = timedelta(seconds=6)
    #: How often WMS is told again of queues that are active: the answer, if the workflow is over, is that it is.
    remind: timedelta = timedelta(hours=1)
    #: How long what another WMS has reserved must be unused to be taken for abandoned: at least as long as a token
    #: lives, so that nobody can come back with one. It is looked at as often as WMS is reminded.
    abandoned: timedelta = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Declare:
    """Create the group's queues."""


@dataclass(frozen=True, slots=True)
class Shut:
    """Let nothing more into these queues: nobody takes events from them any more, and publishers shall know."""

    mqids: tuple[Mqid, ...]


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


@dataclass(frozen=True, slots=True)
class Forget:
    """Nothing: of these queues there are only the names, and nobody wants them."""


Task = Declare | Shut | Remove | Look | Remind | Forget


def next_step(
    group: MQGroupDocument, profiles: Sequence[MQProfileDocument], now: datetime, rules: Rules
) -> Task | None:
    """Return what `group` needs done on the broker at `now`; None: nothing, or nothing yet."""
    match group.state:
        case GroupState.RESERVED:
            if group.unasked:
                return Forget() if now >= last_used_at(group) + rules.abandoned else None
            return Declare() if group.admitted_at is not None else None
        case GroupState.ACTIVE if not group.owner:
            due = group.wake_at is None or now >= group.wake_at
            return Look(tuple(profile.mqid for profile in profiles)) if due else None
        case GroupState.ACTIVE:
            # What tasks publish onto keeps its way in until nothing more can come from them; see `mqs.groups.endings`.
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
            # Nobody had a token for queues that never became active: nothing can be in them.
            if group.activated_at is None or now >= over_at(group) + rules.retention:
                return everything
            # What lies in them may still be taken, and what users consume from stays as it is.
            if inputs := tuple(p.mqid for p in left if p.is_public and p.is_input and p.shut_at is None):
                return Shut(inputs)
            if private := tuple(profile.mqid for profile in left if not profile.is_public):
                return Remove(private, with_dead_letters=False)
            return Look(everything.mqids) if group.wake_at is None or now >= group.wake_at else None


def last_used_at(group: MQGroupDocument) -> datetime:
    """Return when the queues of `group` were last known to be of use to anybody; at the earliest when made."""
    used_at = group.last_used_at or group.over_at or datetime.fromtimestamp(group.timestamp, UTC)
    # Nobody could use them while the group waited for them.
    return max(used_at, group.activated_at or used_at)


def over_at(group: MQGroupDocument) -> datetime:
    """Return since when the workflow of a retiring `group` is over."""
    assert group.over_at is not None, "a retiring group knows since when"
    return group.over_at
