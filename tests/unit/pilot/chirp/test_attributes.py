"""What is chirped, and when."""

from hypothesis import given
from hypothesis import strategies as st

from pilot.chirp.attributes import (
    NEWS_S,
    UnsentChirps,
    due_at,
    format_expression,
    format_lines,
    put_back,
    quote_text,
    take_values,
    with_counters,
    with_status,
)
from schemas.fleet.statuses import PilotStatus
from schemas.pilot.job_names import ChirpAttribute

NOW = float("-inf")


def sent(at_s: float = 100.0) -> UnsentChirps:
    return UnsentChirps(60.0, sent_at_s=at_s)


def test_nothing_to_say_is_never_due() -> None:
    assert due_at(sent()) is None


def test_a_status_goes_at_once_and_a_counter_waits_for_the_interval() -> None:
    assert due_at(with_status(sent(), PilotStatus.TASKING)) == NOW
    assert due_at(with_counters(sent(), n_failed=1, n_success=0)) == 160.0


def test_the_first_success_is_news_and_no_later_one_is() -> None:
    backlog = with_counters(sent(), n_failed=0, n_success=1)
    assert due_at(backlog) == 100.0 + NEWS_S
    backlog, _ = take_values(backlog, 102.0)
    assert due_at(with_counters(backlog, n_failed=0, n_success=2)) == 162.0


def test_the_first_counter_need_not_wait() -> None:
    assert due_at(with_counters(UnsentChirps(60.0), n_failed=0, n_success=1)) == NOW


def failed(backlog: UnsentChirps, error: str) -> UnsentChirps:
    return with_counters(backlog, n_failed=1, n_success=0, error=error)


def test_an_error_that_is_news_goes_while_its_worker_lives() -> None:
    assert due_at(failed(sent(), "bad pixel")) == 100.0 + NEWS_S


def test_an_error_that_was_said_before_waits_like_a_counter() -> None:
    backlog, _ = take_values(failed(sent(), "bad pixel"), 102.0)
    assert due_at(failed(backlog, "bad pixel")) == 162.0
    assert due_at(failed(backlog, "no geometry")) == 106.0


def test_a_worker_whose_errors_are_all_news_is_heard_less_and_less_until_it_was_quiet() -> None:
    backlog, waits = sent(), []
    for n in range(8):
        backlog = failed(backlog, f"error {n}")
        due_s = due_at(backlog)
        assert due_s is not None
        assert backlog.sent_at_s is not None
        waits.append(due_s - backlog.sent_at_s)
        backlog, _ = take_values(backlog, due_s)
    assert waits == [2, 4, 8, 16, 32, 60, 60, 60]
    assert backlog.sent_at_s is not None
    quiet_s = backlog.sent_at_s + 60.0
    backlog, _ = take_values(with_counters(backlog, n_failed=8, n_success=0), quiet_s)
    assert due_at(failed(backlog, "one more")) == quiet_s + NEWS_S


def test_zero_totals_are_never_sent() -> None:
    assert with_counters(sent(), n_failed=0, n_success=3).values == {
        ChirpAttribute.TASKS_TOTAL: 3,
        ChirpAttribute.TASKS_SUCCESS: 3,
    }


def test_only_the_newest_counters_are_sent() -> None:
    backlog = sent()
    for n in range(1, 10):
        backlog = with_counters(backlog, n_failed=0, n_success=n)
    _, values = take_values(backlog, 200.0)
    assert values[ChirpAttribute.TASKS_TOTAL] == 9


def test_what_could_not_be_sent_stays_unless_there_is_news() -> None:
    backlog, unsent = take_values(
        with_status(with_counters(sent(), n_failed=1, n_success=1), PilotStatus.TASKING), 200.0
    )
    assert due_at(backlog) is None
    backlog = put_back(with_status(backlog, PilotStatus.DONE), unsent)
    assert backlog.values[ChirpAttribute.STATUS] == "Done"
    assert backlog.values[ChirpAttribute.TASKS_TOTAL] == 2


def test_what_could_not_be_sent_does_not_wait_for_the_interval_again() -> None:
    backlog, unsent = take_values(with_status(sent(), PilotStatus.DONE), 200.0)
    assert due_at(put_back(backlog, unsent)) == NOW


def test_texts_are_classad_literals_and_numbers_bare_in_job_attributes() -> None:
    assert quote_text('say "hi"\n\\o/') == '"say \\"hi\\"\\n\\\\o/"'
    assert format_lines([(ChirpAttribute.TASKS_TOTAL, 3)]) == ['HTChirpEWMSPilotTasksTotal: "3"']
    assert format_expression(3) == "3"
    assert format_expression("Done") == '"Done"'


@given(st.text())
def test_any_text_becomes_one_bounded_line(text: str) -> None:
    literal = quote_text(text * 50)
    assert len(literal.encode(errors="surrogatepass")) <= 2500
    assert "\n" not in literal
    assert "\r" not in literal
