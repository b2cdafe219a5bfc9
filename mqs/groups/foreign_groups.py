"""Queues that another WMS wants over REST: named first, created when it asks. (core)

Our own WMS names its queues itself and asks for both at once (`mqs.groups.lifecycle`). What another reserves belongs to
nobody here: only that WMS knows its users. Nor does it ever say that a workflow is over. Its queues go when they are
abandoned: for the whole of `Rules.abandoned` nothing lay in them and nobody was connected to take from them, at any
look, and nobody asked for a token. Since no token lives longer than that, nobody is left who could use them.
"""

from collections.abc import Sequence
from datetime import datetime

from mqs.groups.admission import Admitted, Verdict
from mqs.groups.broker_steps import Rules, last_used_at
from mqs.groups.lifecycle import UNCHANGED, Outcome
from mqs.groups.retirement import gone, retired
from schemas.documents import GroupState, MQGroupDocument, MQProfileDocument
from schemas.ids import Alias, Mqid, WorkflowId

#: What an activation without criteria has.
DEFAULT_PRIORITY = 50


def reserved(
    group: MQGroupDocument | None,
    profiles: Sequence[MQProfileDocument],
    workflow_id: WorkflowId,
    queues: Sequence[tuple[Mqid, Alias]],
    public: Sequence[Alias],
    *,
    site: str,
    now: datetime,
    rules: Rules,
) -> Outcome:
    """Return the group that names `queues` for `site`; a repetition leaves the one that there is.

    One that was abandoned is reserved again, under the names that it had.
    """
    if group is not None:
        return _again(group, profiles, now, rules)
    made = MQGroupDocument(
        workflow_id=workflow_id,
        timestamp=now.timestamp(),
        n_queues=len(queues) + 1,
        unasked=True,
        site=site,
        priority=0,
        wake_at=now + rules.abandoned,
    )
    return Outcome(
        made,
        tuple(
            MQProfileDocument(
                mqid=mqid,
                workflow_id=workflow_id,
                timestamp=made.timestamp,
                alias=alias,
                is_public=alias in public,
                is_activated=False,
                position=position,
                # Which way its events will go is not said.
                is_input=True,
                is_output=True,
            )
            for position, (mqid, alias) in enumerate(queues)
        ),
    )


def asked(group: MQGroupDocument, priority: int | None, verdict: Verdict, *, now: datetime, rules: Rules) -> Outcome:
    """Return the group once its queues are asked for. One that waits already takes the new verdict."""
    if group.state is not GroupState.RESERVED or group.admitted_at is not None:
        return UNCHANGED
    admitted = isinstance(verdict, Admitted)
    return Outcome(
        group.model_copy(
            update={
                "unasked": False,
                "priority": DEFAULT_PRIORITY if priority is None else priority,
                "admitted_at": now if admitted else None,
                "deferred": "" if isinstance(verdict, Admitted) else verdict.reason,
                "wake_at": now + (rules.retry if admitted else rules.defer),
            }
        )
    )


def used(group: MQGroupDocument | None, *, now: datetime, rules: Rules) -> Outcome:
    """Return what a question for a token makes of a group: it is of use. Noted once a minute at most."""
    if group is None or group.owner or group.state is not GroupState.ACTIVE:
        return UNCHANGED
    if group.last_used_at is not None and now < group.last_used_at + rules.look:
        return UNCHANGED
    return Outcome(group.model_copy(update={"last_used_at": now}))


def after_look(group: MQGroupDocument, *, in_use: bool, now: datetime, rules: Rules) -> Outcome:
    """Return what follows from a look at the queues of an active group: it is abandoned, or looked at again later."""
    if group.owner or group.state is not GroupState.ACTIVE:
        return UNCHANGED
    used_at = now if in_use else last_used_at(group)
    if now >= used_at + rules.abandoned:
        ended = {"state": GroupState.RETIRING, "over_at": now, "last_used_at": used_at, "wake_at": now}
        return Outcome(group.model_copy(update=ended))
    wake_at = min(now + rules.remind, used_at + rules.abandoned)
    return Outcome(group.model_copy(update={"last_used_at": used_at, "wake_at": wake_at}))


def forgotten(group: MQGroupDocument, profiles: Sequence[MQProfileDocument], *, now: datetime, rules: Rules) -> Outcome:
    """Return the group whose queues were named and never asked for, without them."""
    if not group.unasked or group.state is not GroupState.RESERVED or now < last_used_at(group) + rules.abandoned:
        return UNCHANGED
    return Outcome(retired(group, now), gone(profiles, now))


def _again(group: MQGroupDocument, profiles: Sequence[MQProfileDocument], now: datetime, rules: Rules) -> Outcome:
    # One of our own workflows', or the trace of one that ended before it began, stays what it is.
    if group.owner or group.state is not GroupState.RETIRED or not profiles:
        return UNCHANGED
    anew = {
        "state": GroupState.RESERVED,
        "unasked": True,
        "criteria": None,
        "n_queues": len(profiles) + 1,
        "admitted_at": None,
        "activated_at": None,
        "over_at": None,
        "last_used_at": now,
        "wake_at": now + rules.abandoned,
    }
    back = (profile.model_copy(update={"retired_at": None, "shut_at": None}) for profile in profiles)
    return Outcome(group.model_copy(update=anew), tuple(back))
