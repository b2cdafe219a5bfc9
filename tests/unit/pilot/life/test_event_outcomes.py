"""An outcome says how the event ended, whatever happened to the run."""

import base64
from dataclasses import replace

import pytest

from pilot.failures.container_failures import (
    container_failed,
    container_not_started,
    container_timed_out,
    kernel_out_of_memory,
    worker_memory_exceeded,
)
from pilot.failures.event_failures import (
    codec_missing,
    invalid_infile,
    outfile_too_large,
    outfile_unreadable,
    output_refused,
)
from pilot.failures.failure import Failure
from pilot.failures.lifetime_failures import event_in_doubt, task_cut_off, task_outlived, task_stopped
from pilot.failures.secret_mask import SecretMask
from pilot.life.event_outcomes import RunFacts, describe_outcome, find_ending
from pilot.life.suspects import explain_kills
from pilot.machine.whereabouts import Whereabouts
from pilot.settings import read_settings
from schemas.ids import EventId
from schemas.payloads.data_events import BINARY, JSON, TEXT, DataEvent, DeadReason, Header
from schemas.pilot.outcome_reading import outcome_from_bytes
from schemas.pilot.outcomes import MAX_OUTPUT_BYTES, EventOutcome, LogLength, RunEnding, TaskStream, outcome_to_bytes
from tests.unit.pilot.life.test_lifecycle import held

SETTINGS = read_settings(
    {
        "EWMS_PILOT_TASK_IMAGE": "/i",
        "EWMS_PILOT_QUEUE_INCOMING": "in",
        "EWMS_PILOT_QUEUE_INCOMING_BROKER_ADDRESS": "h:1/v",
        "EWMS_PILOT_TASK_ID": "TK",
        "EWMS_PILOT_TASKFORCE_UUID": "TF",
    },
    directory="/job",
)
WHERE = Whereabouts(site="north", machine="node17", slot="slot1", worker=4)
EVENT = DataEvent(b"{}", EventId("e1"), JSON, {Header.KEY: "web-07"})
RUN = RunFacts(attempt=1, name="r1", started_at="2026-11-29T12:00:00+00:00", ended_at="2026-11-29T12:00:07+00:00")


def described(failure: Failure | None = None, run: RunFacts = RUN, mask: SecretMask = SecretMask()) -> EventOutcome:  # noqa: B008 - it never changes
    outcome = describe_outcome(EVENT, failure, run, settings=SETTINGS, whereabouts=WHERE, mask=mask)
    assert outcome_from_bytes(outcome_to_bytes(outcome)) == outcome
    return outcome


KILLED = explain_kills(held(1, attempt=9))
assert KILLED is not None
ENDINGS = {
    RunEnding.EXITED: (container_failed("task", 3, "no such host"), container_failed("task", 137, "")),
    RunEnding.NOT_STARTED: (container_not_started("task", "no program"),),
    RunEnding.TIMED_OUT: (container_timed_out("task", 5.0),),
    RunEnding.CUT_OFF: (
        task_outlived(60.0),
        task_cut_off(60.0),
        task_stopped(),
        worker_memory_exceeded(2, 1),
        kernel_out_of_memory(1),
    ),
    RunEnding.IN_DOUBT: (event_in_doubt(), KILLED),
    RunEnding.INPUT_UNUSABLE: (invalid_infile("no"), codec_missing("no")),
    RunEnding.OUTPUT_UNUSABLE: (outfile_too_large(2, 1), outfile_unreadable("a link"), output_refused("full")),
}


@pytest.mark.parametrize(
    ("ending", "failure"), [(ending, failure) for ending, failures in ENDINGS.items() for failure in failures]
)
def test_each_failure_has_its_ending(ending: RunEnding, failure: Failure) -> None:
    outcome = described(failure)
    assert (outcome.ending, outcome.is_success) == (ending, False)
    assert outcome.error
    has_exited = ending in (RunEnding.EXITED, RunEnding.OUTPUT_UNUSABLE)
    assert (outcome.exit_status is not None) == has_exited


def test_every_ending_and_every_reason_is_in_the_table() -> None:
    assert set(ENDINGS) == set(RunEnding)
    for reason in DeadReason:
        assert find_ending(Failure("X", "x", reason=reason, exit_code=1)) in RunEnding


def test_a_success_has_exit_status_0_and_no_error() -> None:
    outcome = described()
    assert outcome.is_success
    assert (outcome.event_id, outcome.key, outcome.attempt, outcome.error) == ("e1", "web-07", 1, "")
    assert (outcome.run, outcome.started_at, outcome.ended_at) == (RUN.name, RUN.started_at, RUN.ended_at)
    assert (outcome.site, outcome.machine, outcome.slot, outcome.worker) == ("north", "node17", "slot1", 4)
    assert (outcome.task_id, outcome.taskforce_uuid) == ("TK", "TF")


def test_the_exit_status_of_a_task_is_told() -> None:
    assert described(container_failed("task", 3, "x")).exit_status == 3


@pytest.mark.parametrize(
    ("body", "content_type", "output"),
    [
        (b'{"a": 1}', JSON, {"a": 1}),
        ("hé".encode(), TEXT, "hé"),
        (b"\xff\x00", BINARY, "/wA="),
        (b"", TEXT, ""),
    ],
)
def test_the_outfile_is_in_the_outcome(body: bytes, content_type: str, output: object) -> None:
    outcome = described(run=replace(RUN, output=body, output_type=content_type))
    assert (outcome.output, outcome.output_type, outcome.is_success) == (output, content_type, True)


def test_an_output_over_the_limit_is_no_success_and_a_failed_task_keeps_its_own_error() -> None:
    large = replace(RUN, output=b"x" * MAX_OUTPUT_BYTES, output_type=TEXT)
    outcome = described(run=large)
    assert (outcome.ending, outcome.exit_status, outcome.output) == (RunEnding.OUTPUT_UNUSABLE, 0, None)
    assert str(MAX_OUTPUT_BYTES) in outcome.error
    failed = described(container_failed("task", 3, "no such host"), large)
    assert (failed.ending, failed.exit_status, failed.output) == (RunEnding.EXITED, 3, None)
    assert "no such host" in failed.error


def test_the_lengths_of_the_logs_are_told() -> None:
    outcome = described(run=replace(RUN, lengths={TaskStream.STDERR: LogLength(2, 70_000, True)}))
    assert outcome.stderr == LogLength(2, 70_000, True)
    assert outcome.stdout == LogLength()


@pytest.mark.parametrize(
    ("body", "content_type", "expected"),
    [
        (b'{"a\\"b12": ["x a\\"b12 y", 7]}', JSON, {"***": ["x *** y", 7]}),
        (b'x a"b12 y', TEXT, "x *** y"),
        (b'\xff a"b12', BINARY, base64.b64encode(b"\xff ***").decode()),
    ],
)
def test_c33_no_secret_is_in_the_output_of_an_outcome(body: bytes, content_type: str, expected: object) -> None:
    outcome = described(None, replace(RUN, output=body, output_type=content_type), SecretMask([b'a"b12']))
    assert outcome.output == expected
