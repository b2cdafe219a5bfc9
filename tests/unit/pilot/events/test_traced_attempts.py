"""What a pilot reports of an attempt at a traced event that ended well."""

from datetime import UTC, datetime, timedelta

from pilot.events.traced_attempts import TracedAttempt, describe_done
from pilot.machine.whereabouts import Whereabouts
from pilot.settings import read_settings
from schemas.attempts.done_reports import DoneReport, OutputReport
from schemas.attempts.trace_sampling import mark_headers
from schemas.ids import EventId, Mqid
from schemas.payloads.data_events import JSON, DataEvent, HeaderValue

START = datetime(2026, 11, 30, 8, tzinfo=UTC)
SETTINGS = read_settings(
    {
        "EWMS_PILOT_TASK_IMAGE": "/images/reco",
        "EWMS_PILOT_QUEUE_INCOMING": "ain",
        "EWMS_PILOT_QUEUE_INCOMING_BROKER_ADDRESS": "user@mq:5672/ewms",
    },
    directory="/job",
)
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def describe(headers: dict[str, HeaderValue], traced: TracedAttempt) -> DoneReport:
    return describe_done(
        DataEvent(b"[1]", EventId("e"), JSON, headers),
        traced,
        attempt=2,
        queue="ain",
        settings=SETTINGS,
        whereabouts=Whereabouts(machine="node7", worker=3),
        pilot="p",
        started_s=11.0,
        ended_s=13.0,
        acknowledged_s=13.5,
        to_instant=lambda at_s: START + timedelta(seconds=at_s),
    )


def test_a_report_has_the_place_the_times_and_the_outputs_of_the_attempt() -> None:
    traced = TracedAttempt(EventId("r"), 10.0, [(Mqid("aout"), EventId("o"), 13.25)])
    headers = {**mark_headers(EventId("r"), START), "x-ewms-key": "k", "x-ewms-parent": "r", "traceparent": TRACE}
    report = describe(headers, traced)
    assert (report.event_id, report.root, report.parent, report.key, report.attempt) == ("e", "r", "r", "k", 2)
    assert (report.machine, report.worker, report.queue, report.n_bytes) == ("node7", 3, "ain", 3)
    at = [report.published_at, report.taken_at, report.started_at, report.ended_at, report.acknowledged_at]
    seconds = [(datetime.fromisoformat(each) - START).total_seconds() for each in at if each is not None]
    assert seconds == [0.0, 10.0, 11.0, 13.0, 13.5]
    assert report.outputs == (OutputReport("aout", "o", (START + timedelta(seconds=13.25)).isoformat()),)
    assert report.traceparent == TRACE


def test_headers_of_other_clients_may_hold_anything() -> None:
    report = describe(
        {"x-ewms-key": 7, "x-ewms-parent": True, "x-ewms-replays": "x"}, TracedAttempt(EventId("r"), 10.0)
    )
    assert (report.key, report.parent, report.n_replays, report.published_at) == ("", "", 0, None)
