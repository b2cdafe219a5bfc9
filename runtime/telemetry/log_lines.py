"""Write structured log lines, with the ids of the current event.

A line is a name and fields. `bind_event` adds `workflow_id`, `taskforce_uuid` and `event_id` of an event, so that users
can search for all lines about the event.
"""

import logging
import sys
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any, Literal

import structlog
from opentelemetry.trace import SpanKind

from runtime import tracing
from runtime.telemetry.redaction import redact
from schemas.events import ControlEvent

log: structlog.stdlib.BoundLogger = structlog.get_logger("ewms")

LogFormat = Literal["json", "console"]


def configure_logging(*, service: str, level: str = "INFO", format: LogFormat = "json") -> None:  # noqa: A002 - EWMS_LOG_FORMAT
    """Write the log lines of EWMS and of its libraries to stderr, without secrets. Call this once at the start.

    `format` is "json" or, for people, "console".
    """

    def add_service(_: Any, __: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        line.setdefault("service", service)
        return line

    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        add_service,
        structlog.processors.format_exc_info,
    ]
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if format == "json"
        else structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(level.upper()),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _redact_line, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # These libraries log every failed connection attempt at ERROR; `runtime.amqp` logs it once, at the right level.
    for chatty in ("aiormq", "aio_pika"):
        logging.getLogger(chatty).setLevel(logging.CRITICAL)
    for chatty in ("pymongo", "httpx2", "httpcore2", "asyncio"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


def _redact_line(_: Any, __: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    # Change the fields in place: structlog's own keys (`_record`) are already removed.
    for key, value in list(line.items()):
        line[key] = redact({key: value})[key] if isinstance(key, str) else redact(value)
    return line


@contextmanager
def bind_event(event: ControlEvent) -> Iterator[None]:
    """During the block, add the ids of `event` to all log lines, and continue the trace of `event`."""
    ids = {name: getattr(event.data, name, None) for name in ("workflow_id", "taskforce_uuid")}
    bound = {name: value for name, value in ids.items() if value is not None}
    with (
        structlog.contextvars.bound_contextvars(event_id=event.id, event_type=event.type, **bound),
        tracing.continue_trace(event.traceparent, event.type, kind=SpanKind.CONSUMER),
    ):
        yield
