from runtime import tracing

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_a_trace_goes_on_within_its_block_and_nowhere_else() -> None:
    assert tracing.current_traceparent() is None
    with tracing.continue_trace(PARENT):
        assert tracing.current_traceparent() == PARENT
        with tracing.continue_trace(None):
            assert tracing.current_traceparent() is None
        assert tracing.current_traceparent() == PARENT
    assert tracing.current_traceparent() is None


def test_a_malformed_parent_starts_no_trace_and_does_no_harm() -> None:
    for parent in ("", "x", "00-0-0-0", "00-" + "0" * 32 + "-b7ad6b7169203331-01"):
        with tracing.continue_trace(parent):
            assert tracing.current_traceparent() is None
