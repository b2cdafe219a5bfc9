"""Pass the W3C trace context from a request to the events that it causes, and record spans if they are exported.

Without `set_tracer`, no span is recorded. But a caller's `traceparent` still passes through every process, so the logs
and events of one request can be found together. `runtime.telemetry.span_export` calls `set_tracer` if a collector is
configured.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry import context
from opentelemetry.trace import SpanKind, Status, StatusCode, Tracer, get_current_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

# Name the propagator: the API's global one reads the entry points of every installed package at import.
_PROPAGATOR = TraceContextTextMapPropagator()

_SERVER_ERROR = 500

_tracer: Tracer | None = None


def set_tracer(tracer: Tracer | None) -> None:
    """Record spans with `tracer` from now on. None: record none."""
    global _tracer  # noqa: PLW0603 - one for the process, as the current context is
    _tracer = tracer


def current_traceparent() -> str | None:
    """Return the current trace context as the value of a `traceparent` header. Return None if there is no trace."""
    carrier: dict[str, str] = {}
    _PROPAGATOR.inject(carrier)
    return carrier.get("traceparent")


@contextmanager
def continue_trace(parent: str | None, name: str = "", *, kind: SpanKind = SpanKind.INTERNAL) -> Iterator[None]:
    """Run the block in the trace of `parent`. Without a valid `parent` and without spans, the block has no trace.

    If spans are recorded, the block is a span with this `name`. An error that leaves the block makes it a failed span.
    """
    carrier = {"traceparent": parent} if parent else {}
    token = context.attach(_PROPAGATOR.extract(carrier))
    try:
        if _tracer is None or not name:
            yield
        else:
            with _tracer.start_as_current_span(name, kind=kind):
                yield
    finally:
        context.detach(token)


def note_status(code: int) -> None:
    """Note the HTTP status of the answer on the current span. A status from 500 on makes it a failed span."""
    if _tracer is None:
        return
    span = get_current_span()
    span.set_attribute("http.response.status_code", code)
    if code >= _SERVER_ERROR:
        span.set_status(Status(StatusCode.ERROR))
