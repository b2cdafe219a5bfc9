"""Send spans by OpenTelemetry's SDK. Only a process with a collector imports this module."""

import logging
import threading
from collections.abc import Iterable
from datetime import datetime

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags, Tracer

from schemas.attempts.finished_span import FinishedSpan

_PATH = "/v1/traces"
#: How long the SDK may take to send one batch, and how long the process waits at its end for the last ones, in seconds.
_SEND_WITHIN_S = 5.0
_LAST_WAIT_S = 2.0


class SpanSender:
    """Sends the spans of one process to a collector, in a thread of the SDK."""

    def __init__(self, service: str, endpoint: str) -> None:
        # The SDK logs each failure to send with a traceback.
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
        exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}{_PATH}", timeout=_SEND_WITHIN_S)
        self._processor = BatchSpanProcessor(exporter)
        self._resource = Resource.create({"service.name": f"ewms-{service}"})
        self._provider = TracerProvider(resource=self._resource, shutdown_on_exit=False)
        self._provider.add_span_processor(self._processor)

    @property
    def tracer(self) -> Tracer:
        """What records the spans of this process."""
        return self._provider.get_tracer("ewms")

    def send_spans(self, spans: Iterable[FinishedSpan]) -> None:
        """Put `spans` into the queue, and return at once. If the queue is full, spans are dropped."""
        for span in spans:
            flags = TraceFlags(TraceFlags.SAMPLED)
            parent = SpanContext(span.trace_id, span.parent_id, is_remote=True, trace_flags=flags)
            self._processor.on_end(
                ReadableSpan(
                    span.name,
                    SpanContext(span.trace_id, span.span_id, is_remote=False, trace_flags=flags),
                    parent if span.parent_id else None,
                    self._resource,
                    span.attributes,
                    kind=SpanKind.CONSUMER,
                    status=Status(StatusCode.ERROR, span.error) if span.error else Status(),
                    start_time=_count_ns(span.started_at),
                    # Clocks of two machines may differ.
                    end_time=_count_ns(max(span.started_at, span.ended_at)),
                )
            )

    def close(self) -> None:
        """Wait at most 2 s until the last spans are sent."""
        # A thread of its own that ends with the process: the SDK waits longer for a collector that is away.
        closing = threading.Thread(target=self._provider.shutdown, name="last spans", daemon=True)
        closing.start()
        closing.join(_LAST_WAIT_S)


def _count_ns(at: datetime) -> int:
    return round(at.timestamp() * 1e6) * 1000
