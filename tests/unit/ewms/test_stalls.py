"""What is said of a stall while somebody waits: once, when it changes, and when it is over."""

from ewms.errors import OutcomeFailed
from ewms.stalls import StallNotices, make_stall_error
from schemas.api.workflows.health import ALL_FAILED, FAILING, StallCause
from tests.unit.ewms.facts import WORKFLOW, stall


def test_a_stall_is_told_once_and_again_when_it_has_another_cause_and_when_it_is_over() -> None:
    notices = StallNotices(WORKFLOW)
    assert notices.next_notice(None) == ""
    assert notices.next_notice(stall()) == (
        f"{WORKFLOW} has been stalled since 08:00:00 UTC: 12 event(s) are left, and no worker comes: "
        "4 worker(s) held: Out of memory (next: ewms taskforce show TF-1)"
    )
    assert notices.next_notice(stall()) == ""
    assert "3 worker(s) ended" in notices.next_notice(stall("gone", "3 worker(s) ended"))
    assert notices.next_notice(None) == f"{WORKFLOW} goes on"
    assert notices.next_notice(None) == ""


def test_other_numbers_of_the_same_cause_are_no_news() -> None:
    notices = StallNotices(WORKFLOW)
    notices.next_notice(stall(why="4 worker(s) held"))
    assert notices.next_notice(stall(why="5 worker(s) held")) == ""


def test_a_stall_can_be_a_failure_with_the_next_command_as_its_hint() -> None:
    error = make_stall_error(WORKFLOW, stall())
    assert isinstance(error, OutcomeFailed)
    assert error.reason.startswith(f"{WORKFLOW} is stalled: 12 event(s) are left")
    assert error.hint == "ewms taskforce show TF-1"


def test_a_run_whose_events_move_on_and_fail_is_not_called_stalled() -> None:
    failing = stall(FAILING, "the task fails on every worker")
    (cause,) = failing.causes
    assert cause.sentence == cause.text
    assert StallNotices(WORKFLOW).next_notice(failing) == f"{WORKFLOW}: {cause.text} (next: {cause.command})"
    assert make_stall_error(WORKFLOW, failing).reason == f"{WORKFLOW}: {cause.text}"
    # Another task of it waits in vain.
    both = failing.model_copy(update={"causes": [cause, *stall().causes]})
    assert StallNotices(WORKFLOW).next_notice(both).startswith(f"{WORKFLOW} has been stalled since ")


def test_a_run_whose_every_event_has_failed_is_told_as_that_and_its_end_is_no_new_beginning() -> None:
    failed = StallCause(cause=ALL_FAILED, text="every event has failed: 3 dead letter(s)", command="ewms dlq list WF")
    stalled = stall("all-bad")
    after = stalled.model_copy(update={"causes": [failed]})
    notices = StallNotices(WORKFLOW)
    notices.next_notice(stalled)
    assert notices.next_notice(after) == (
        f"{WORKFLOW}: every event has failed: 3 dead letter(s) (next: ewms dlq list WF)"
    )
    assert notices.next_notice(None, is_ending=True) == ""
    assert make_stall_error(WORKFLOW, after).reason == f"{WORKFLOW}: every event has failed: 3 dead letter(s)"
    assert failed.sentence == failed.text
    assert stalled.causes[0].sentence.startswith("stalled: 12 event(s) are left")
