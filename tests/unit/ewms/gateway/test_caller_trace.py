"""A caller's trace is that of its current span, or else of its environment; a faulty one is none."""

import subprocess
import sys

import pytest
from opentelemetry.trace import INVALID_SPAN_CONTEXT, NonRecordingSpan, SpanContext, use_span

from ewms.gateway.caller_trace import choose_trace, find_caller_trace
from runtime.tracing import continue_trace

SPAN = f"00-{'a' * 32}-{'b' * 16}-01"
VARIABLE = f"00-{'c' * 32}-{'d' * 16}-00"


@pytest.mark.parametrize(
    ("candidates", "chosen"),
    [
        ((), ""),
        (("", ""), ""),
        ((SPAN, VARIABLE), SPAN),
        (("", VARIABLE), VARIABLE),
        ((SPAN[:-1], VARIABLE), VARIABLE),
        ((f"00-{'0' * 32}-{'b' * 16}-01", ""), ""),
        ((f"00-{'a' * 32}-{'0' * 16}-01", ""), ""),
        ((SPAN.upper(), f"{SPAN}\n", "€" * 55, "x" * 100_000), ""),
    ],
)
def test_the_first_valid_trace_is_chosen(candidates: tuple[str, ...], chosen: str) -> None:
    assert choose_trace(*candidates) == chosen


class BrokenSpan(NonRecordingSpan):
    """A span of a library that does not work."""

    def get_span_context(self) -> SpanContext:
        raise RuntimeError("no such context")


def test_a_current_span_comes_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRACEPARENT", raising=False)
    assert find_caller_trace() == ""
    monkeypatch.setenv("TRACEPARENT", "not one")
    assert find_caller_trace() == ""
    monkeypatch.setenv("TRACEPARENT", VARIABLE)
    assert find_caller_trace() == VARIABLE
    with continue_trace(SPAN):
        assert find_caller_trace() == SPAN
    for broken in (BrokenSpan(INVALID_SPAN_CONTEXT), NonRecordingSpan(INVALID_SPAN_CONTEXT)):
        with use_span(broken):
            assert find_caller_trace() == VARIABLE


def test_a_program_without_opentelemetry_does_not_import_it() -> None:
    program = (
        "import sys; from ewms.gateway.caller_trace import find_caller_trace; import ewms.queues.publisher;"
        "print(find_caller_trace(), any(name.startswith('opentelemetry') for name in sys.modules))"
    )
    told = subprocess.run(
        [sys.executable, "-c", program], env={"TRACEPARENT": VARIABLE}, capture_output=True, text=True, check=True
    )
    assert told.stdout.split() == [VARIABLE, "False"]
