"""Find the trace of the caller, so that its requests and its events go on in that trace.

    the caller's current span of OpenTelemetry  ──valid──► traceparent
    the variable TRACEPARENT                    ──valid──► traceparent

OpenTelemetry describes the variable for commands: a job of a build server sets it, and so does our pilot for a task.
"""

import os
import sys

from schemas.attempts.trace_context import ENV_TRACE, read_traceparent


def find_caller_trace() -> str:
    """Return the W3C `traceparent` of the caller: that of its current span, or else of its environment.

    Return "" if neither has a valid one. The trace of an event matters less than the event, so this never raises.
    """
    return choose_trace(_read_current_span(), os.environ.get(ENV_TRACE, ""))


def choose_trace(*candidates: str) -> str:
    """Return the first of `candidates` that is a valid `traceparent`. Return "" if none is."""
    return next((text for text in candidates if read_traceparent(text) is not None), "")


def _read_current_span() -> str:
    # A program with a span has imported the library. Programs without it need not have it, and do not wait for it.
    if "opentelemetry.trace" not in sys.modules:
        return ""
    try:
        from runtime.tracing import current_traceparent  # noqa: PLC0415 - it imports the library

        return current_traceparent() or ""
    except Exception:  # noqa: BLE001 - a span is an object of the caller's library, of any version
        return ""
