"""Carry the W3C trace context from a request to the events it causes, and on. The OpenTelemetry SDK is optional.

With the API alone no span is recorded, but a caller's `traceparent` still travels through every process, so that
logs and the broker's messages of one request can be found together.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry import context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

# Named outright: the API's global propagator looks through every installed package's entry points at import.
_PROPAGATOR = TraceContextTextMapPropagator()


def current_traceparent() -> str | None:
    """Return the current trace context as its header value; None outside of any trace."""
    carrier: dict[str, str] = {}
    _PROPAGATOR.inject(carrier)
    return carrier.get("traceparent")


@contextmanager
def continue_trace(parent: str | None) -> Iterator[None]:
    """Run the block within the trace of `parent`; an absent or malformed one starts none."""
    carrier = {"traceparent": parent} if parent else {}
    token = context.attach(_PROPAGATOR.extract(carrier))
    try:
        yield
    finally:
        context.detach(token)
