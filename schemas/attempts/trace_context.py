"""Read the W3C trace context. (core)"""

import re

#: Source: W3C Trace Context, "traceparent Header Field Values". An id of zeros alone is invalid.
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]{2}")


#: The variable in which a program finds the trace that it continues. Source: OpenTelemetry, "Environment Variables as
#: Context Propagation Carriers".
ENV_TRACE = "TRACEPARENT"


def read_traceparent(value: object) -> tuple[int, int] | None:
    """Return the ids of the trace and of the span in the value of a `traceparent`. Return None if it is invalid."""
    found = _TRACEPARENT.fullmatch(value) if isinstance(value, str) else None
    return (int(found[1], 16), int(found[2], 16)) if found else None
