"""What a client of one process has seen stands in the id of the last event, and only the rest is sent."""

import pytest

from schemas.engine.runs import NodeStatus, RunStatus
from schemas.errors import Rejected
from tests.unit.wms.processes.process_runs import make_process, make_row
from wms.processes.process_feed import format_place, list_news, parse_place

N = NodeStatus
ROWS = [
    make_row(1, None, "created", act="launch", who="ada"),
    make_row(2, 0, "successful"),
    make_row(3, None, "successful"),
]


@pytest.mark.parametrize(("rows", "rev"), [(0, -1), (0, 0), (7, 12), (3, -1)])
def test_a_place_survives_the_wire(rows: int, rev: int) -> None:
    assert parse_place(format_place(rows, rev)) == (rows, rev)


@pytest.mark.parametrize("text", ["x", "1", "-", "1-x", "-1", "1--1", "٣-1", "9" * 13 + "-1", "1-1-1"])
def test_another_text_is_no_place(text: str) -> None:
    with pytest.raises(Rejected, match="Last-Event-ID"):
        parse_place(text)


def test_every_prefix_of_what_was_sent_leaves_exactly_the_rest() -> None:
    run = make_process([N.SUCCESSFUL] * 4, RunStatus.SUCCESSFUL, rev=5)
    sent = list_news(run, ROWS, n_rows=0, rev=-1)
    assert [event.name for event in sent] == ["act", "step", "process", "end"]
    for place, event in enumerate(sent[:-1]):
        n_rows, rev = parse_place(event.id)
        rest = list_news(run, ROWS, n_rows=n_rows, rev=rev)
        assert [one.name for one in rest] == [one.name for one in sent[place + 1 :]]


def test_a_change_without_a_row_is_news_and_no_change_is_none() -> None:
    run = make_process([N.TAKEN, N.PENDING, N.PENDING, N.PENDING], RunStatus.RUNNING, rev=5)
    assert [event.name for event in list_news(run, ROWS, n_rows=3, rev=4)] == ["process"]
    assert list_news(run, ROWS, n_rows=3, rev=5) == []
