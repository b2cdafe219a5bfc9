"""Each stream of a log is shown in the order of its numbers, whatever the order in which the pieces came."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from schemas.automation.job_logs import JobLogRow
from schemas.ids import EventId, TaskId
from schemas.pilot.outcomes import TaskStream
from wms.joblogs.piece_order import PieceOrder, arrange_rows

NOW = datetime(2026, 11, 29, tzinfo=UTC)


def row(number: int, place: int, *, run: str = "r", stream: TaskStream = TaskStream.STDOUT) -> JobLogRow:
    return JobLogRow(
        id=f"j/{run}/{stream}/{number}",
        job="j",
        event_id=EventId("e"),
        key="",
        task_id=TaskId("TK"),
        attempt=1,
        run=run,
        stream=stream,
        number=number,
        place=place,
        text=f"{run}{number}",
        is_last=False,
        is_cut=False,
        at=NOW,
        expires_at=NOW,
    )


@st.composite
def logs(draw: st.DrawFn) -> list[JobLogRow]:
    """Return the pieces of up to three runs in any order of arrival."""
    named = [(run, number) for run in "abc" for number in range(draw(st.integers(0, 4)))]
    return [row(number, place, run=run) for place, (run, number) in enumerate(draw(st.permutations(named)), 1)]


@given(logs())
def test_an_arranged_log_has_every_piece_once_and_each_stream_in_order(rows: list[JobLogRow]) -> None:
    arranged = arrange_rows(rows)
    assert sorted(each.id for each in arranged) == sorted(each.id for each in rows)
    for run in "abc":
        numbers = [each.number for each in arranged if each.run == run]
        assert numbers == sorted(numbers)
    assert [each.run for each in arranged] == [each.run for each in rows], "the streams are mixed as they came"


@given(logs(), st.integers(1, 5))
def test_a_follower_sees_the_same_in_whatever_portions_it_reads(rows: list[JobLogRow], n: int) -> None:
    order = PieceOrder(from_start=True)
    shown = []
    for start in range(0, len(rows), n):
        shown += order.release_rows(rows[start : start + n])
        shown += order.release_rows(rows[start : start + n])  # read again
    assert sorted(each.id for each in shown) == sorted(each.id for each in rows)
    for run in "abc":
        numbers = [each.number for each in shown if each.run == run]
        assert numbers == sorted(numbers)
    assert order.release_held() == []


def test_a_piece_whose_predecessor_never_comes_is_shown_at_the_end() -> None:
    order = PieceOrder(from_start=True)
    assert order.release_rows([row(0, 1), row(2, 2)]) == [row(0, 1)]
    assert order.find_safe_place(2) == 1, "a reader that goes on elsewhere must read the held piece again"
    assert order.release_held() == [row(2, 2)]
    assert order.find_safe_place(2) == 2


def test_a_reader_that_goes_on_begins_where_its_stream_is() -> None:
    assert PieceOrder(from_start=False).release_rows([row(7, 70), row(8, 71)]) == [row(7, 70), row(8, 71)]
    assert PieceOrder(from_start=False).release_rows([row(8, 70), row(7, 71)]) == [row(7, 71), row(8, 70)]


def test_a_reader_that_goes_on_loses_no_piece_that_comes_later_than_its_followers() -> None:
    order = PieceOrder(from_start=False)
    assert order.release_rows([row(8, 70)]) == [row(8, 70)]
    assert order.release_rows([row(7, 71)]) == [row(7, 71)]
    assert order.release_rows([row(7, 71), row(9, 72)]) == [row(9, 72)]
