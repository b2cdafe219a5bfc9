"""What is written when something is logged, by us or by a library."""

import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
import structlog

from runtime.telemetry import bind_event, configure_logging, log
from schemas.events import TaskforceStop, WorkflowOver, build_event
from schemas.ids import EventId, TaskforceUuid, WorkflowId

JWT = "eyJhbGciOiJSUzI1NiIsImtpZCI6ImEifQ.eyJzdWIiOiJhIn0.sIgNaTuRe-_123"
NOW = datetime(2026, 11, 21, tzinfo=UTC)


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.mark.parametrize("form", ["json", "console"])
def test_no_token_reaches_a_line_by_any_way(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(service="test", level="DEBUG", format=form)  # type: ignore[arg-type]
    log.info(f"event {JWT}", field=JWT, nested={"auth_token": "hunter2", "list": [JWT]})
    logging.getLogger("library").warning("url %s", f"amqp://u:{JWT}@h/")
    logging.getLogger("library").info("extra", extra={"password": "hunter2"})
    try:
        raise ValueError(JWT)
    except ValueError:
        log.exception("failed")
        logging.getLogger("library").exception("failed too")
    written = capsys.readouterr().err
    assert written.count("failed") >= 2
    assert "ValueError" in written
    assert not any(part in written for part in JWT.split("."))
    assert "hunter2" not in written


UUID = TaskforceUuid("TF-6b00e09f-926a610b-485d2fc0-57c5a8e4")


def test_json_lines_are_one_object_each_with_the_ids_of_what_is_handled(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(service="wms", format="json")
    event = build_event(WorkflowOver(workflow_id=WorkflowId("WF-1-2")), event_id=EventId("e1"), source="s", time=NOW)
    stop = TaskforceStop(taskforce_uuid=UUID, schedd="s", cluster_id=None)
    other = build_event(stop, event_id=EventId("e2"), source="s", time=NOW)
    with bind_event(event):
        log.info("one", n=1)
    with bind_event(other):
        logging.getLogger("library").warning("two")
    log.info("three")
    one, two, three = (json.loads(line) for line in capsys.readouterr().err.splitlines())
    assert (one["event"], one["n"], one["workflow_id"], one["event_id"], one["service"]) == (
        "one",
        1,
        "WF-1-2",
        "e1",
        "wms",
    )
    assert (two["event"], two["taskforce_uuid"], two["event_id"]) == ("two", UUID, "e2")
    assert "event_id" not in three
    assert "workflow_id" not in two


def test_lines_below_the_level_are_not_written(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(service="wms", level="WARNING")
    log.info("quiet")
    logging.getLogger("library").info("quiet too")
    log.warning("loud")
    assert [json.loads(line)["event"] for line in capsys.readouterr().err.splitlines()] == ["loud"]
