"""Fields that are computed: shown in the state, never stored."""

from pydantic import computed_field

#: A property that the state shows beside the fields. It is computed anew at each look, and never stored.
#:
#:     class Node(NodeInactive, lifecycle=[SubscriptionLifecycle.ACTIVE]):
#:         @serializable_property
#:         def title(self) -> str:
#:             return f"Node {self.ne.node_name}"
serializable_property = computed_field
