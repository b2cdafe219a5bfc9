"""The classes of one model: a base, and one for each lifecycle that demands more. (core)

    class Node(NodeProvisioning, lifecycle=[SubscriptionLifecycle.ACTIVE])

A lifecycle without a class of its own has the base. A subscription may be read as the class of its lifecycle or as a
stricter one, a subclass, if its values allow that. It is never read as a laxer one: a step that was written for a
subscription being made would undo what an active one needs.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from schemas.subscriptions import SubscriptionLifecycle


class WrongLifecycle(ValueError):
    """A subscription was to be read as, or changed into, a class that its lifecycle does not allow."""


@dataclass
class ClassFamily:
    """A base class and what was derived from it for single lifecycles, in the order of definition."""

    base: type[Any]
    members: list[tuple[type[Any], frozenset[SubscriptionLifecycle]]] = field(default_factory=list)

    def add(self, member: type[Any], lifecycles: Sequence[SubscriptionLifecycle]) -> None:
        """Let `member` stand for `lifecycles`."""
        self.members.append((member, frozenset(map(SubscriptionLifecycle, lifecycles))))

    def class_for(self, status: SubscriptionLifecycle) -> type[Any]:
        """Return the class for `status`: the latest that names it, or the base."""
        return next((member for member, statuses in reversed(self.members) if status in statuses), self.base)

    def check_class(self, wanted: type[Any], status: SubscriptionLifecycle, what: str) -> None:
        """Raise WrongLifecycle if `what`, which is in lifecycle `status`, must not be read as `wanted`."""
        proper = self.class_for(status)
        if not issubclass(wanted, proper):
            raise WrongLifecycle(
                f"{what} is {status}, so it is read as {proper.__name__} or a class derived from it, "
                f"not as {wanted.__name__}"
            )
