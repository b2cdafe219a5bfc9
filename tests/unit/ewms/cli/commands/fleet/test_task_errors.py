"""What the command shows of errors while workers live."""

from datetime import UTC, datetime
from io import StringIO

import pytest
from rich.console import Console, RenderableType

from ewms.cli.text.events.failure_tables import attempt_table, error_table
from schemas.attempts.failed_history import Attempt, ErrorGroup

AT = datetime(2026, 11, 28, 15, 1, 2, tzinfo=UTC)
TASK = "TK-6b00e09f-926a610b-485d2fc0"
EVENT = "5f0e8a52-9c1d-4f7e-8b1a-0a1b2c3d4e5f"
GROUP = ErrorGroup(
    task_id=TASK,
    signature="5c0e2d1a94",
    text="ContainerRunError('task failed (exit code 1): ValueError: bad pixel #')",
    example="ContainerRunError('task failed (exit code 1): ValueError: bad pixel 7')",
    event_id=EVENT,
    n_attempts=12,
    n_events=4,
    n_machines=2,
    first_at=AT,
    last_at=AT,
)
ATTEMPT = Attempt(
    cursor="1",
    event_id=EVENT,
    key="pixel-7",
    attempt=2,
    gave_up=False,
    task_id=TASK,
    taskforce_uuid="TF-6b00e09f-926a610b-485d2fc0-57c5a8e4",
    queue="a72475165e05b4f83a948",
    reason="task-failed",
    error=GROUP.example,
    signature=GROUP.signature,
    last_lines="",
    exit_code=1,
    site="",
    machine="node7",
    slot="",
    worker=3,
    pilot="p",
    failed_at=AT,
    took_s=1.0,
    n_bytes=12,
    content_type="application/json",
    digest="",
    excerpt=b'{"pixel": 7}\x1b[31m\xff',
)


def shown(what: RenderableType, width: int = 200) -> str:
    out = StringIO()
    Console(file=out, width=width).print(what)
    return out.getvalue()


def test_errors_are_shown_by_how_many_events_they_cost() -> None:
    text = shown(error_table([GROUP]))
    for part in ("12", "4", "2", "5c0e2d1a94", "bad pixel 7"):
        assert part in text
    assert EVENT in shown(error_table([GROUP], wide=True), 400)


@pytest.mark.parametrize("wide", [True, False])
def test_an_attempt_is_shown_with_its_event_and_how_that_begins(*, wide: bool) -> None:
    text = shown(attempt_table([ATTEMPT], wide=wide), 400)
    for part in ("11-28 15:01:02", "2", "pixel-7", '{"pixel": 7}', "bad pixel 7"):
        assert part in text
    assert "\x1b" not in text
    assert (EVENT in text) == wide


def test_an_event_without_a_key_is_called_by_its_id() -> None:
    assert EVENT in shown(attempt_table([ATTEMPT.model_copy(update={"key": ""})]))


def test_the_tables_fit_eighty_columns() -> None:
    for table in (error_table([GROUP]), attempt_table([ATTEMPT])):
        assert all(len(line) <= 80 for line in shown(table, 80).splitlines())
