"""Our own dialect. The contract's two versions differ in the prefix and in the values that environments may have."""

from runtime.web.dialects import Dialect

EWMS = Dialect(
    name="ewms",
    prefixes=("/v1", "/v0"),
    old_prefixes=frozenset({"/v0"}),
    about="Request workflows of tasks joined by message queues, watch them, and end them.",
)
