"""Computed fields, which the state shows and the database does not store."""

from pydantic import computed_field

#: A property that the state shows beside the fields. Each look computes it again, and nothing stores it.
#:
#:     class Node(NodeInactive, lifecycle=[SubscriptionLifecycle.ACTIVE]):
#:         @serializable_property
#:         def title(self) -> str:
#:             return f"Node {self.ne.node_name}"
serializable_property = computed_field
