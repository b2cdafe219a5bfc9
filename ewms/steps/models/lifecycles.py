"""The classes of one model: a base, and a class for each lifecycle that demands more values. (core)

    class Node(NodeProvisioning, lifecycle=[SubscriptionLifecycle.ACTIVE])

A lifecycle without a class of its own has the base. A step may read a subscription as the class of its lifecycle, or as
a stricter class (a subclass) if the values suffice. A step may never read a subscription as a less strict class: code
for a subscription that is not complete would damage an active one.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from schemas.engine.subscriptions import SubscriptionLifecycle


class WrongLifecycle(ValueError):
    """A caller asked for a subscription as a class that the subscription's lifecycle does not allow."""


@dataclass
class ClassFamily:
    """A base class, and the classes derived from it for single lifecycles, in the order of their definition."""

    base: type[Any]
    members: list[tuple[type[Any], frozenset[SubscriptionLifecycle]]] = field(default_factory=list)

    def add_member(self, member: type[Any], lifecycles: Sequence[SubscriptionLifecycle]) -> None:
        """Make `member` the class of `lifecycles`."""
        self.members.append((member, frozenset(map(SubscriptionLifecycle, lifecycles))))

    def class_for(self, status: SubscriptionLifecycle) -> type[Any]:
        """Return the class for `status`: the latest class with this lifecycle, or the base."""
        return next((member for member, statuses in reversed(self.members) if status in statuses), self.base)

    def check_class(self, wanted: type[Any], status: SubscriptionLifecycle, what: str) -> None:
        """Raise WrongLifecycle if the lifecycle `status` does not allow the class `wanted`. `what` names the
        subscription.
        """
        proper = self.class_for(status)
        if not issubclass(wanted, proper):
            raise WrongLifecycle(
                f"{what} is {status}, so it is read as {proper.__name__} or a class derived from it, "
                f"not as {wanted.__name__}"
            )
