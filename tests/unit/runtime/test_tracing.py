from runtime import tracing

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_a_trace_goes_on_within_its_block_and_nowhere_else() -> None:
    assert tracing.traceparent() is None
    with tracing.continued(PARENT):
        assert tracing.traceparent() == PARENT
        with tracing.continued(None):
            assert tracing.traceparent() is None
        assert tracing.traceparent() == PARENT
    assert tracing.traceparent() is None


def test_a_malformed_parent_starts_no_trace_and_does_no_harm() -> None:
    for parent in ("", "x", "00-0-0-0", "00-" + "0" * 32 + "-b7ad6b7169203331-01"):
        with tracing.continued(parent):
            assert tracing.traceparent() is None
