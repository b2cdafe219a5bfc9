"""Spans reach a collector over HTTP. A collector that is away delays nothing, and without one nothing is recorded."""

import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from opentelemetry.trace import SpanKind

from runtime import tracing
from runtime.telemetry.span_export import current_sender, start_export, stop_export
from schemas.attempts.finished_span import FinishedSpan
from tests.span_collector import collector, list_spans

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
AT = datetime(2026, 11, 30, 8, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _no_export_is_left() -> Iterator[None]:
    yield
    stop_export()


def by_name(received: list[ExportTraceServiceRequest]) -> dict[str, Span]:
    return {span.name: span for span in list_spans(received)}


def test_a_request_and_what_it_causes_are_spans_of_the_callers_trace() -> None:
    with collector() as (endpoint, received):
        start_export("wms", endpoint)
        with tracing.continue_trace(PARENT, "POST /v1/workflows", kind=SpanKind.SERVER):
            tracing.note_status(503)
            sent_on = tracing.current_traceparent()
        with tracing.continue_trace(sent_on, "workflow.requested", kind=SpanKind.CONSUMER):
            pass
        stop_export()
    spans = by_name(received)
    request, event = spans["POST /v1/workflows"], spans["workflow.requested"]
    assert request.trace_id.hex() == event.trace_id.hex() == PARENT.split("-")[1]
    assert (request.parent_span_id.hex(), event.parent_span_id) == (PARENT.split("-")[2], request.span_id)
    assert request.status.code == 2  # an error
    (resource,) = {str(each.resource) for one in received for each in one.resource_spans}
    assert "ewms-wms" in resource


def test_the_work_of_other_processes_keeps_its_ids_and_times() -> None:
    span = FinishedSpan("attempt 1", 7, 8, 9, AT, AT + timedelta(seconds=2), {"ewms.machine": "node7"}, "exit code 1")
    backwards = FinishedSpan("event", 7, 9, 0, AT, AT - timedelta(seconds=2))
    with collector() as (endpoint, received):
        start_export("mqs", endpoint)
        sender = current_sender()
        assert sender is not None
        sender.send_spans([span, backwards])
        stop_export()
    sent, other = by_name(received)["attempt 1"], by_name(received)["event"]
    assert [int.from_bytes(each, "big") for each in (sent.trace_id, sent.span_id, sent.parent_span_id)] == [7, 8, 9]
    assert sent.end_time_unix_nano - sent.start_time_unix_nano == 2_000_000_000
    assert (sent.attributes[0].value.string_value, sent.status.message) == ("node7", "exit code 1")
    assert (other.parent_span_id, other.end_time_unix_nano) == (b"", other.start_time_unix_nano)


def test_a_collector_that_is_away_delays_neither_the_work_nor_the_end() -> None:
    begun_s = time.monotonic()
    start_export("wms", "http://127.0.0.1:9")
    for _ in range(5000):  # more than the queue holds
        with tracing.continue_trace(None, "work"):
            pass
    stop_export()
    assert time.monotonic() - begun_s < 30


def test_without_a_collector_nothing_is_recorded_and_the_sdk_is_not_imported() -> None:
    program = (
        "import sys, runtime.process, runtime.telemetry.span_export as export\n"
        "export.start_export('wms', '')\n"
        "assert export.current_sender() is None\n"
        "sys.exit(any(name.startswith(('opentelemetry.sdk', 'opentelemetry.exporter')) for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
