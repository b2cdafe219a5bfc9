"""What a failed attempt means, and what a dead letter says."""

from datetime import UTC, datetime

from pilot.failures.container_failures import container_failed
from pilot.failures.event_failures import outfile_too_large
from pilot.life.attempts import dead_letter_headers, failed_attempt, gives_up
from pilot.machine.whereabouts import Whereabouts
from pilot.settings import read_settings
from schemas.attempts.failed_reports import FailedAttempt
from schemas.attempts.trace_sampling import mark_headers
from schemas.ids import EventId
from schemas.payloads.data_events import JSON, DataEvent, Header, HeaderValue

SETTINGS = read_settings(
    {
        "EWMS_PILOT_TASK_IMAGE": "/i",
        "EWMS_PILOT_QUEUE_INCOMING": "a",
        "EWMS_PILOT_QUEUE_INCOMING_BROKER_ADDRESS": "h",
        "EWMS_PILOT_TASK_ID": "TK-1",
        "EWMS_PILOT_TASKFORCE_UUID": "TF-1",
    },
    directory="/",
)


def headers(theirs: dict[str, HeaderValue]) -> dict[str, HeaderValue]:
    return dead_letter_headers(
        theirs.items(),
        container_failed("task", 3, "boom"),
        attempt=5,
        queue="a",
        settings=SETTINGS,
        worker="node7",
        now=datetime(2026, 11, 21, tzinfo=UTC),
    )


def test_the_fifth_attempt_is_the_last() -> None:
    failure = container_failed("task", 1, "x")
    assert [gives_up(failure, attempt) for attempt in range(1, 8)] == [False] * 4 + [True] * 3
    assert gives_up(outfile_too_large(5, 4), 1)


def test_a_dead_letter_says_why_and_where_and_by_whom() -> None:
    assert headers({}) == {
        "x-ewms-dead-reason": "task-failed",
        "x-ewms-dead-error": "ContainerRunError('task failed (exit code 3): boom')",
        "x-ewms-dead-attempts": 5,
        "x-ewms-dead-queue": "a",
        "x-ewms-dead-task": "TK-1",
        "x-ewms-dead-taskforce": "TF-1",
        "x-ewms-dead-worker": "node7",
        "x-ewms-dead-at": "2026-11-21T00:00:00+00:00",
    }


def test_the_senders_headers_are_kept_and_the_brokers_are_not() -> None:
    made = headers(
        {"traceparent": "00-1", "x-mine": 1, "x-delivery-count": 4, "x-death": "a", "x-first-death-queue": "b"}
    )
    assert made["traceparent"] == "00-1"
    assert made["x-mine"] == 1
    assert not {"x-delivery-count", "x-death", "x-first-death-queue"} & made.keys()


def test_a_sender_cannot_forge_the_reasons() -> None:
    assert headers({"x-ewms-dead-reason": "mine"})["x-ewms-dead-reason"] == "task-failed"


def test_a_report_names_the_event_from_which_the_event_was_made() -> None:
    def report(theirs: dict[str, HeaderValue]) -> FailedAttempt:
        return failed_attempt(
            DataEvent(b"7", EventId("e"), JSON, theirs),
            container_failed("task", 3, "boom"),
            attempt=1,
            gave_up=False,
            counts=True,
            queue="a",
            settings=SETTINGS,
            whereabouts=Whereabouts(),
            pilot="p",
            last_lines="",
            took_s=1.0,
            now=datetime(2026, 11, 21, tzinfo=UTC),
        )

    assert report({Header.PARENT: "root", Header.KEY: "k"}).parent == "root"
    assert report({}).parent == ""
    assert report({Header.PARENT: 7}).parent == "", "another client may write any header"


def test_a_failure_of_a_traced_event_has_when_it_was_published_and_taken() -> None:
    at = datetime(2026, 11, 21, tzinfo=UTC)
    event = DataEvent(b"7", EventId("e"), JSON, mark_headers(EventId("e"), at))
    report = failed_attempt(
        event, container_failed("task", 3, "boom"), attempt=1, gave_up=False, counts=True, queue="a",
        settings=SETTINGS, whereabouts=Whereabouts(), pilot="p", last_lines="", took_s=1.0, now=at, taken_at=at,
        root="e", traceparent="00-1",
    )  # fmt: skip
    assert report.published_at == report.taken_at == "2026-11-21T00:00:00+00:00"
    assert (report.root, report.traceparent) == ("e", "00-1")
