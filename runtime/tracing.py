"""Pass the W3C trace context from a request to the events that it causes. The OpenTelemetry SDK is optional.

Without the SDK, spans are not recorded. But a caller's `traceparent` still passes through every process, so the logs
and events of one request can be found together.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry import context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

# Name the propagator: the API's global one reads the entry points of every installed package at import.
_PROPAGATOR = TraceContextTextMapPropagator()


def current_traceparent() -> str | None:
    """Return the current trace context as the value of a `traceparent` header. Return None if there is no trace."""
    carrier: dict[str, str] = {}
    _PROPAGATOR.inject(carrier)
    return carrier.get("traceparent")


@contextmanager
def continue_trace(parent: str | None) -> Iterator[None]:
    """Run the block in the trace of `parent`. Without a valid `parent` the block has no trace."""
    carrier = {"traceparent": parent} if parent else {}
    token = context.attach(_PROPAGATOR.extract(carrier))
    try:
        yield
    finally:
        context.detach(token)
