"""The rule whether a workflow may start on a subscription now, for WMS, for step workers and for tests.

The settings belong to user code (`ewms.steps.gates`). WMS gets the settings from a step worker.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from schemas.engine.processes import Target
from schemas.engine.subscriptions import SubscriptionDocument, SubscriptionLifecycle


@dataclass(frozen=True, kw_only=True)
class GateSettings:
    """What user code says about its workflows. The keys and the texts are names of workflows."""

    #: The lifecycles in which a workflow may be used. The default is active; for a create or a terminate, all.
    usable_map: Mapping[str, Sequence[str]] = field(default_factory=dict)
    #: Whether a workflow may not start on a subscription that others use. The default is True only for a terminate.
    blocked_by_users: Mapping[str, bool] = field(default_factory=dict)
    #: Workflows that may start on a subscription that is out of sync. Tasks always may.
    usable_out_of_sync: Sequence[str] = ()

    def list_usable_lifecycles(self, workflow: str, target: Target) -> list[str]:
        """Return the lifecycles in which `workflow` may start on a subscription."""
        every = [str(one) for one in SubscriptionLifecycle]
        default = every if target in (Target.TERMINATE, Target.CREATE) else [str(SubscriptionLifecycle.ACTIVE)]
        return [str(one).lower() for one in self.usable_map.get(workflow, default)]

    def is_blocked_by_users(self, workflow: str, target: Target) -> bool:
        """Return whether `workflow` must not start on a subscription that other subscriptions use."""
        return self.blocked_by_users.get(workflow, target is Target.TERMINATE)


@dataclass(frozen=True, kw_only=True)
class GateQuestion:
    """A workflow that a person wants to start, and the facts on which the start depends."""

    workflow: str
    target: Target
    #: The subscription; None if it does not exist.
    subscription: SubscriptionDocument | None
    #: Whether the workflow is attached to the subscription's product.
    is_attached: bool = True
    #: The related subscriptions. They are always given, also for a subscription that is out of sync.
    depends_on: Sequence[SubscriptionDocument] = ()
    in_use_by: Sequence[SubscriptionDocument] = ()
    is_authorized: bool = True
    #: The version of the subscription that the caller has seen; None if the caller does not say.
    version: int | None = None


@dataclass(frozen=True)
class StartObstacle:
    """One reason against a start: a word for programs, a sentence for people, and the facts in that sentence."""

    reason: str
    text: str
    status: SubscriptionLifecycle | None = None
    usable_when: tuple[str, ...] = ()
    subscription_ids: tuple[UUID, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return the obstacle as a JSON object without empty fields."""
        parts = {
            "reason": self.reason,
            "text": self.text,
            "status": self.status and str(self.status),
            "usable_when": list(self.usable_when),
            "subscription_ids": [str(one) for one in self.subscription_ids],
        }
        return {name: value for name, value in parts.items() if value}


def find_start_obstacles(question: GateQuestion, settings: GateSettings) -> list[StartObstacle]:
    """Return every reason against the start, in the order of the checks. If there is none, the workflow may start."""
    subscription, name = question.subscription, question.workflow
    if subscription is None:
        return [StartObstacle("not_found", "there is no such subscription")]
    found = []
    if not question.is_attached:
        text = f"{name} is not attached to the product {subscription.product.name}"
        found.append(StartObstacle("not_attached", text))
    if not (question.target.is_task or name in settings.usable_out_of_sync):
        if not subscription.insync:
            found.append(
                StartObstacle("not_in_sync", "the subscription is out of sync: a process works on it, or has failed")
            )
        if related := _collect_out_of_sync(question):
            text = f"{_count_subscriptions(related)} related to this one are out of sync"
            found.append(StartObstacle("relations_not_in_sync", text, subscription_ids=related))
    usable = settings.list_usable_lifecycles(name, question.target)
    if subscription.status not in usable:
        text = f"the subscription is {subscription.status}; {name} is usable when it is {' or '.join(usable)}"
        found.append(
            StartObstacle("no_modify_invalid_status", text, status=subscription.status, usable_when=tuple(usable))
        )
    if settings.is_blocked_by_users(name, question.target) and (users := _collect_users(question)):
        text = f"{_count_subscriptions(users)} in use of this one are not terminated"
        found.append(StartObstacle("no_modify_subscription_in_use_by_others", text, subscription_ids=users))
    if not question.is_authorized:
        found.append(StartObstacle("not_authorized", f"you may not start {name}"))
    if question.version is not None and question.version != subscription.version:
        text = f"you have seen version {question.version} of the subscription, and it is at {subscription.version} now"
        found.append(StartObstacle("stale_version", text))
    return found


def _collect_out_of_sync(question: GateQuestion) -> tuple[UUID, ...]:
    related = (*question.depends_on, *question.in_use_by)
    return tuple(dict.fromkeys(one.subscription_id for one in related if not one.insync))


def _collect_users(question: GateQuestion) -> tuple[UUID, ...]:
    ended = SubscriptionLifecycle.TERMINATED
    return tuple(dict.fromkeys(one.subscription_id for one in question.in_use_by if one.status is not ended))


def _count_subscriptions(found: Sequence[UUID]) -> str:
    return "1 subscription" if len(found) == 1 else f"{len(found)} subscriptions"
