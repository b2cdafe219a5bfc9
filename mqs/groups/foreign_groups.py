"""Decide about queues of another WMS, which reserves them over REST first and activates them later. (core)

Our own WMS names its queues and requests them in one step (`mqs.groups.lifecycle`). The queues of another WMS have no
owner here, because only that WMS knows its users. It never reports that a workflow is over, so MQS deletes its queues
when they are abandoned. Queues are abandoned if for the whole of `Rules.abandoned` every check has found them empty and
without a consumer, and no token was requested. No token lives longer than that, so no user or pilot can use them any
more.
"""

from collections.abc import Sequence
from datetime import datetime

from mqs.groups.admission import Admitted, Verdict
from mqs.groups.broker_steps import Rules, last_used_at
from mqs.groups.lifecycle import UNCHANGED, GroupDecision
from mqs.groups.retirement import retire_group, retire_profiles
from schemas.fleet.queue_documents import GroupState, MQGroupDocument, MQProfileDocument
from schemas.ids import Alias, Mqid, WorkflowId

#: The priority of an activation without criteria.
DEFAULT_PRIORITY = 50


def reserve_group(
    group: MQGroupDocument | None,
    profiles: Sequence[MQProfileDocument],
    workflow_id: WorkflowId,
    queues: Sequence[tuple[Mqid, Alias]],
    public: Sequence[Alias],
    *,
    site: str,
    now: datetime,
    rules: Rules,
) -> GroupDecision:
    """Return a decision that reserves `queues` for the workflow of another WMS, at `site`.

    If `group` exists already, the request is a repetition, and changes nothing. But if the group was abandoned, the
    request reserves it again, with the queue ids that it had.
    """
    if group is not None:
        return _reserve_again(group, profiles, now, rules)
    made = MQGroupDocument(
        workflow_id=workflow_id,
        timestamp=now.timestamp(),
        n_queues=len(queues) + 1,
        unasked=True,
        site=site,
        priority=0,
        wake_at=now + rules.abandoned,
    )
    return GroupDecision(
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
                # The other WMS does not state the direction of the events.
                is_input=True,
                is_output=True,
            )
            for position, (mqid, alias) in enumerate(queues)
        ),
    )


def request_activation(
    group: MQGroupDocument, priority: int | None, verdict: Verdict, *, now: datetime, rules: Rules
) -> GroupDecision:
    """Apply a request for activation and its verdict, and return the group's change. A group that already waits takes
    the new verdict.
    """
    if group.state is not GroupState.RESERVED or group.admitted_at is not None:
        return UNCHANGED
    admitted = isinstance(verdict, Admitted)
    return GroupDecision(
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


def note_use(group: MQGroupDocument | None, *, now: datetime, rules: Rules) -> GroupDecision:
    """Return the group as used at `now`, because a user has requested a token. Change it at most once in
    `Rules.look`.
    """
    if group is None or group.owner or group.state is not GroupState.ACTIVE:
        return UNCHANGED
    if group.last_used_at is not None and now < group.last_used_at + rules.look:
        return UNCHANGED
    return GroupDecision(group.model_copy(update={"last_used_at": now}))


def apply_look(group: MQGroupDocument, *, in_use: bool, now: datetime, rules: Rules) -> GroupDecision:
    """Return the change of an active group after a look at its queues: it retires as abandoned, or a later look is due.

    `in_use` says whether MQS found its queues in use.
    """
    if group.owner or group.state is not GroupState.ACTIVE:
        return UNCHANGED
    used_at = now if in_use else last_used_at(group)
    if now >= used_at + rules.abandoned:
        ended = {"state": GroupState.RETIRING, "over_at": now, "last_used_at": used_at, "wake_at": now}
        return GroupDecision(group.model_copy(update=ended))
    wake_at = min(now + rules.remind, used_at + rules.abandoned)
    return GroupDecision(group.model_copy(update={"last_used_at": used_at, "wake_at": wake_at}))


def forget_group(
    group: MQGroupDocument, profiles: Sequence[MQProfileDocument], *, now: datetime, rules: Rules
) -> GroupDecision:
    """If a group was reserved, but not activated for the time `rules.abandoned`, retire it. Otherwise change
    nothing.
    """
    if not group.unasked or group.state is not GroupState.RESERVED or now < last_used_at(group) + rules.abandoned:
        return UNCHANGED
    return GroupDecision(retire_group(group, now), retire_profiles(profiles, now))


def _reserve_again(
    group: MQGroupDocument, profiles: Sequence[MQProfileDocument], now: datetime, rules: Rules
) -> GroupDecision:
    # Leave alone a group of our own users, and the trace of a workflow that ended before its request came.
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
    return GroupDecision(group.model_copy(update=anew), tuple(back))
