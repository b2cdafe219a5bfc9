"""Export spans to an OpenTelemetry collector over OTLP/HTTP, if its address is configured.

Without an address, no module of the SDK is imported. With one, a thread of the SDK sends the spans. It takes them from
a queue of 2 048. If the queue is full or the collector does not answer, spans are dropped. So a collector that is away
delays nothing. The SDK reads its other variables itself, for example OTEL_EXPORTER_OTLP_HEADERS and
OTEL_TRACES_SAMPLER.
"""

from typing import TYPE_CHECKING

from runtime import tracing
from runtime.telemetry import log
from schemas.errors import Rejected

if TYPE_CHECKING:
    from runtime.telemetry.span_sender import SpanSender

_sender: "SpanSender | None" = None


def current_sender() -> "SpanSender | None":
    """Return what sends the spans of this process. Return None if no collector is configured."""
    return _sender


def start_export(service: str, endpoint: str) -> None:
    """Begin to record spans and to send them to the collector at `endpoint`, as the service "ewms-`service`".

    Do nothing, and import nothing, if `endpoint` is empty.

    Raises:
        Rejected: the SDK is not installed.
    """
    global _sender  # noqa: PLW0603 - one for the process
    if not endpoint:
        return
    try:
        from runtime.telemetry.span_sender import SpanSender  # noqa: PLC0415 - only with a collector
    except ImportError as error:
        raise Rejected(
            "OTEL_EXPORTER_OTLP_ENDPOINT is set, and OpenTelemetry's SDK is not installed",
            hint="install ewms[otel], or unset the variable",
        ) from error
    _sender = SpanSender(service, endpoint)
    tracing.set_tracer(_sender.tracer)
    log.info("spans are sent to a collector", endpoint=endpoint)


def stop_export() -> None:
    """Record no more spans, and wait at most 2 s until the last ones are sent. Do nothing if none are recorded."""
    global _sender
    tracing.set_tracer(None)
    sender, _sender = _sender, None
    if sender is not None:
        sender.close()
