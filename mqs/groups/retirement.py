"""Retire a group of queues whose workflow is over (ruling 8). (core)

over ──► shut: no event gets in ──► private queues deleted ──► others checked until unused ──► deleted
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

from mqs.groups.broker_steps import Remove, Rules, Shut, last_used_at, over_at
from mqs.groups.lifecycle import UNCHANGED, GroupDecision
from schemas.fleet.queue_documents import GroupState, MQGroupDocument, MQProfileDocument
from schemas.ids import WorkflowId


def apply_end(
    group: MQGroupDocument | None, workflow_id: WorkflowId, profiles: Sequence[MQProfileDocument], *, now: datetime
) -> GroupDecision:
    """Return the group after the end of its workflow.

    If the end arrives before the request for queues, return a group that is retired already. Otherwise the late request
    would create queues that MQS never deletes.
    """
    if group is None:
        return GroupDecision(
            MQGroupDocument(workflow_id=workflow_id, timestamp=now.timestamp(), state=GroupState.RETIRED, over_at=now)
        )
    match group.state:
        case GroupState.RESERVED if group.admitted_at is None:
            return GroupDecision(retire_group(group, now), retire_profiles(profiles, now))
        case GroupState.RESERVED | GroupState.ACTIVE:
            return GroupDecision(
                group.model_copy(
                    update={
                        "state": GroupState.RETIRING,
                        "is_ending": False,
                        "over_at": now,
                        "last_used_at": now,
                        "wake_at": now,
                    }
                )
            )
        case _:
            return UNCHANGED


def mark_shut(
    group: MQGroupDocument, profiles: Sequence[MQProfileDocument], done: Shut, *, now: datetime
) -> GroupDecision:
    """Return the group after the broker has shut the queues in `done`."""
    if group.state not in (GroupState.ACTIVE, GroupState.RETIRING):
        return UNCHANGED
    changed = (profile.model_copy(update={"shut_at": now}) for profile in profiles if profile.mqid in done.mqids)
    # Write the group as well: its `rev` counts every change.
    return GroupDecision(group.model_copy(), tuple(changed))


def mark_removed(
    group: MQGroupDocument, profiles: Sequence[MQProfileDocument], done: Remove, *, now: datetime, rules: Rules
) -> GroupDecision:
    """Return the group after the broker has deleted the queues in `done`."""
    if group.state is not GroupState.RETIRING:
        return UNCHANGED
    deleted = set(done.mqids)
    those = retire_profiles((profile for profile in profiles if profile.mqid in deleted), now)
    n_left = sum(profile.retired_at is None and profile.mqid not in deleted for profile in profiles)
    if done.with_dead_letters and not n_left:
        return GroupDecision(retire_group(group, now), those)
    n_queues = n_left + 1  # the dead letters
    return GroupDecision(group.model_copy(update={"n_queues": n_queues, "wake_at": now + rules.look}), those)


def apply_look(
    group: MQGroupDocument, profiles: Sequence[MQProfileDocument], *, in_use: bool, now: datetime, rules: Rules
) -> GroupDecision | Remove:
    """Decide after a check of a retiring group's queues: return `Remove` to delete them all, or when to check again."""
    if group.state is not GroupState.RETIRING:
        return UNCHANGED
    used_at = now if in_use else last_used_at(group)
    if not in_use and now >= used_at + rules.unused:
        return Remove(tuple(profile.mqid for profile in profiles if profile.retired_at is None), with_dead_letters=True)
    wake_at = min(now + rules.look, used_at + rules.unused, over_at(group) + rules.retention)
    return GroupDecision(group.model_copy(update={"last_used_at": used_at, "wake_at": max(wake_at, now)}))


def retire_group(group: MQGroupDocument, now: datetime) -> MQGroupDocument:
    """Return `group` as retired: it has nothing on the broker any more."""
    return group.model_copy(
        update={
            "state": GroupState.RETIRED,
            "is_ending": False,
            "over_at": group.over_at or now,
            "n_queues": 0,
            "deferred": "",
            "wake_at": None,
        }
    )


def retire_profiles(profiles: Iterable[MQProfileDocument], now: datetime) -> tuple[MQProfileDocument, ...]:
    """Return the profiles that still had a queue, marked as retired."""
    return tuple(
        profile.model_copy(update={"is_activated": False, "retired_at": now})
        for profile in profiles
        if profile.retired_at is None
    )
