"""How far back `ewms queue history` looks."""

import pytest
from typer.testing import CliRunner

from ewms.cli.commands.events.queue import app
from schemas.errors import Rejected


@pytest.mark.parametrize("last", ["99999999999d", "9e300", "367d"])
def test_too_long_a_time_is_refused_with_the_longest(last: str) -> None:
    found = CliRunner().invoke(app, ["history", "WF-00000000-00000001", "--last", last])
    assert isinstance(found.exception, Rejected)
    assert str(found.exception) == "--last: must be at most 366d; MQS keeps the history of 30 days"
