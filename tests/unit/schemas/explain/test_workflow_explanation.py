"""Each cause has facts that show it, with its text, its remedy and a command."""

from dataclasses import replace
from datetime import UTC, datetime
from string import Formatter
from typing import Any

import pytest

from schemas.api.queues.profiles import QueueDepths
from schemas.api.workflows.health import MissingWorkers, Stall, StallCause, TaskforceHealth
from schemas.causes.entry import Severity
from schemas.causes.holds import find_hold_cause
from schemas.causes.table import ABOUT_WORKERS, CAUSES, WORKFLOW_CAUSES
from schemas.explain.workflow_explanation import explain_workflow
from schemas.explain.workflow_facts import WorkflowFacts
from schemas.fleet.endings import Completion
from schemas.fleet.phases import Deactivated, Phase
from tests.unit.ewms.facts import TASK, WORKFLOW, change, depths, ending, state, taskforce
from tests.unit.wms.fleets import NOW, later
from tms.log import hold_reasons
from wms.fleet.choices.tms_port import REST
from wms.fleet.stalls.crew import Crew
from wms.fleet.stalls.staffing import find_missing_workers

UUID = "TF-6b00e09f-926a610b-485d2fc0-00000001"
RUNNING = {"RUNNING": {"Tasking": 4}}


def health(**fields: Any) -> TaskforceHealth:
    plain: dict[str, Any] = {
        "stuck": None,
        "n_submit_failures": 0,
        "n_remove_failures": 0,
        "retry_at": None,
        "ended_at": None,
        "status_as_of": None,
        "exit_codes": {},
        "stale": False,
        "n_wanted": 4,
    }
    return TaskforceHealth.model_validate({**plain, **fields})


def make_facts(
    phase: Phase = Phase.CONDOR_SUBMIT,
    statuses: Any = None,
    counts: QueueDepths | None = None,
    *,
    ended: Deactivated | None = None,
    how: Any = None,
    of_workers: TaskforceHealth | None = None,
    errors: dict[str, int] | None = None,
    log: Any = None,
    **more: Any,
) -> WorkflowFacts:
    """Return the facts of a workflow with one task and one taskforce of four workers."""
    one = taskforce(phase, RUNNING if statuses is None else statuses, errors=errors, log=log)
    seen = state(one, ended=ended).facts
    healths = {UUID: of_workers} if of_workers is not None else {}
    return replace(seen, depths=counts, ending=how or ending(), healths=healths, **more)


def stalled(cause: str, text: str = "why", n: int = 12) -> WorkflowFacts:
    told = StallCause(cause=cause, text=text, command="ewms doctor", task_id=TASK if n else "", n_events=n)
    return make_facts(stall=Stall(since=datetime(2026, 11, 30, tzinfo=UTC), causes=[told]))


def crew(phase: Phase = Phase.CONDOR_SUBMIT, **fields: Any) -> WorkflowFacts:
    """Return the facts of a workflow whose health WMS has described from a crew of four workers."""
    plain: dict[str, Any] = {
        "taskforce_uuid": UUID,
        "task_id": TASK,
        "schedd": "ap1",
        "n_wanted": 4,
        "since": later(seconds=-60),
        "statuses": {},
        "as_of": NOW,
        "exit_codes": {},
    }
    ended_at = NOW if fields.get("has_ended") else None
    found = find_missing_workers(Crew(phase=phase, **{**plain, **fields}), NOW)
    missing = [
        MissingWorkers(
            cause=one.lack,
            n_workers=one.n_workers,
            text=one.text,
            command=one.command,
            is_coming=one.is_coming,
            reason=one.cause,
        )
        for one in found
    ]
    return make_facts(
        phase if phase.is_known else Phase.CONDOR_SUBMIT, {}, of_workers=health(missing=missing, ended_at=ended_at)
    )


def held(reason: str) -> WorkflowFacts:
    return make_facts(statuses={f"HELD: {reason}": {"null": 2}})


def none_done(counts: QueueDepths) -> QueueDepths:
    """Return `counts` of a broker that knows that no event has left the first queue."""
    first, *others = counts.queues
    return counts.model_copy(update={"queues": [first.model_copy(update={"n_gone": 0}), *others]})


PAUSED = "HELD: The pilot {}; it starts again after a pause"
FAILED = depths(dead=3, failed=3, arrived=3)
ASKED = {"asked_at": later(seconds=-20), "n_asked": 1}

CASES: list[tuple[str, WorkflowFacts]] = [
    # Queues
    ("broker-away", make_facts(unseen="the broker does not answer")),
    ("broker-away", stalled("broker-away", n=0)),
    ("queues-too-many", make_facts(deferred="it needs 9 queues, but the broker's budget is 5 in all")),
    ("owner-budget", make_facts(deferred="it needs 9 queues; its owner has 95 of at most 100")),
    ("queue-budget", make_facts(deferred="it needs 9 queues, more than the broker's budget has left")),
    ("room-kept", make_facts(deferred="room on the broker is kept for WF-1, which has waited longer")),
    ("byte-budget", make_facts(deferred="the broker holds 10 bytes of events, and its budget is 9")),
    ("connection-budget", make_facts(deferred="the broker has 10 connections, and its budget is 9")),
    ("mqs-silent", stalled("queues-awaited", "its queues do not exist yet: MQS has not answered yet", 0)),
    ("queues-awaited", make_facts(deferred="for a new reason")),
    ("no-workers", stalled("held")),
    ("no-workers", stalled("no-workers")),
    ("source-stuck", stalled("no-slot", n=0)),
    ("no-takers", stalled("no-takers")),
    ("takes-nothing", stalled("takes-nothing")),
    ("all-bad", stalled("all-bad")),
    ("failing", stalled("failing")),
    ("waits-for-restart", stalled("paused")),
    ("few-workers", make_facts(counts=depths(401, arrived=401), of_workers=health(n_at_work=4))),
    ("statuses-stale", make_facts(of_workers=health(stale=True, status_as_of=NOW))),
    (
        "results-short",
        make_facts(counts=depths(0, 7).model_copy(), how=ending(n_expected=10).model_copy(update={"n_results": 7})),
    ),
    ("nothing-published", make_facts(counts=depths(arrived=0), of_workers=health(n_at_work=4))),
    ("first-awaited", make_facts(counts=none_done(depths(3, in_work=2, arrived=5)))),
    ("inputs-open", make_facts(counts=depths(0, 40, arrived=40))),
    ("results-waiting", make_facts(counts=depths(0, 40, arrived=40))),
    # The end
    (
        "stop-failed",
        make_facts(Phase.CONDOR_RM, ended=Deactivated.ABORTED, of_workers=health(n_remove_failures=2)),
    ),
    (
        "stop-stuck",
        make_facts(Phase.PENDING_STOPPER, ended=Deactivated.ABORTED, of_workers=health(stuck="the TMS is silent")),
    ),
    ("stopping", make_facts(Phase.CONDOR_RM, ended=Deactivated.FINISHED)),
    ("ended-aborted", make_facts(Phase.CONDOR_COMPLETE, {}, ended=Deactivated.ABORTED)),
    ("ended-finished", make_facts(Phase.CONDOR_COMPLETE, {}, ended=Deactivated.FINISHED)),
    (
        "ended-done",
        make_facts(Phase.CONDOR_COMPLETE, {}, ended=Deactivated.FINISHED, how=ending(completion=Completion.DONE)),
    ),
    (
        "ended-with-failures",
        make_facts(
            Phase.CONDOR_COMPLETE, {}, ended=Deactivated.FINISHED, how=ending(completion=Completion.DONE_WITH_FAILURES)
        ),
    ),
    ("moving", make_facts(counts=depths(3, in_work=2, arrived=9))),
    # Failures
    ("all-failed", make_facts(counts=FAILED)),
    ("all-discarded", make_facts(counts=depths(failed=3, arrived=3))),
    ("all-failed-closed", make_facts(counts=FAILED, how=ending(is_closed=True))),
    ("dead-letters", make_facts(counts=depths(2, dead=1, failed=1, arrived=9))),
    (
        "start-attempts",
        make_facts(Phase.PENDING_STARTER, {}, log=[change(Phase.CONDOR_SUBMIT, ok=False, context="no room")]),
    ),
    ("events-delayed", make_facts(counts=depths(delayed=3, arrived=9))),
    ("pilots-failed", make_facts(statuses={"RUNNING": {"FatalError": 1}})),
    *(
        (cause, make_facts(errors={error: 2}))
        for cause, error in (
            ("error-image", "ImageUnusable('no such image')"),
            ("error-bad-worker", "BadWorker('3 failures')"),
            ("error-memory", "WorkerMemoryExceeded('2 GB')"),
            ("error-timeout", "TimeoutError('task timed out')"),
            ("error-output", "OutfileTooLarge('9 GB')"),
            ("error-input", "InvalidDataForInfile('no base64')"),
            ("error-broker", "BrokerAway('connection refused')"),
            ("error-queue-gone", "QueueGone('no queue')"),
            ("error-token", "TokenUnusable('readable by others')"),
            ("error-secrets", "SecretsUnusable('no db-password')"),
            ("error-settings", "SettingsInvalid('EWMS_PILOT_X')"),
            ("error-in-doubt", "EventInDoubt('a pilot was lost')"),
            ("error-task", "ContainerRunError('task failed: exit code 1')"),
            ("error-other", "ValueError('bad pixel')"),
        )
    ),
    *(
        (cause, make_facts(of_workers=health(exit_codes={code: 2})))
        for cause, code in (
            ("exit-failed", "1"),
            ("exit-unusable", "2"),
            ("exit-closed", "3"),
            ("exit-bad-worker", "4"),
            ("exit-signal", "-9"),
            ("exit-other", "77"),
        )
    ),
    # Holds
    ("held-memory", held("Memory usage exceeds a memory limit")),
    ("held-disk", held("Disk usage exceeds a disk limit")),
    ("held-time", held("The job's allowed execution time was exceeded")),
    ("held-input-files", held("Input files could not be transferred (ENOENT)")),
    ("held-output-files", held("The output files are larger than the pool allows")),
    ("held-transfer", held("File transfer: protocol error")),
    ("held-image", held("The container image is invalid")),
    ("held-container-runtime", held("The worker's container runtime failed its test")),
    ("held-executable", held("The executable could not be started (EACCES)")),
    ("held-files", held("The standard output file could not be opened")),
    ("held-credentials", held("The job's credentials are invalid")),
    ("held-account", held("The user account could not be accessed")),
    ("held-policy", held("The pool's policy held it")),
    ("held-by-user", held("Put on hold by a user")),
    ("held-spooling", held("Input files are being spooled")),
    ("held-hook", held("A pre script failed")),
    ("held-shadow", held("No compatible shadow")),
    ("held-checkpoint", held("The job failed at its checkpoint signal")),
    ("held-other", held("Code 99 subcode 0")),
    # Workers
    ("tms-unanswered", crew(Phase.PENDING_STARTER, **ASKED)),
    ("tms-not-asking", crew(Phase.PENDING_STARTER, port=REST, since=later(minutes=-4))),
    ("statuses-missing", crew(as_of=later(seconds=-41), statuses=RUNNING)),
    ("tms-given-up", crew(Phase.PENDING_STARTER, stuck="no answer", asked_at=NOW)),
    ("start-failed", crew(Phase.PENDING_STARTER, stuck="no such image")),
    ("location-drained", crew(Phase.PRE_LAUNCH, drained="an operator drained osg at 2026-11-30 08:00:00 UTC")),
    ("location-lost", crew(Phase.PENDING_STOPPER, has_ended=True, stuck="the location osg is lost, says an operator")),
    *(
        (
            cause,
            crew(statuses={"IDLE": {"null": 4}}, unmatched=f"no slot offers that; ask for {field}=16G or less"),
        )
        for cause, field in (
            ("no-slot-memory", "worker_memory"),
            ("no-slot-cores", "n_cores"),
            ("no-slot-disk", "worker_disk"),
        )
    ),
    ("no-slot", crew(statuses={"IDLE": {"null": 4}}, unmatched="no slot fits the requirements")),
    ("gone", crew(statuses={"COMPLETED": {"Done": 4}}, exit_codes={"1": 4})),
    ("ended", crew(Phase.PENDING_STARTER, has_ended=True)),
    ("suspended", crew(statuses={"SUSPENDED": {"Tasking": 4}})),
    ("killed-memory", crew(statuses={PAUSED.format("was killed by SIGKILL (most often out of memory)"): {"null": 4}})),
    ("killed", crew(statuses={PAUSED.format("was killed by SIGSEGV"): {"null": 4}})),
    ("paused", crew(statuses={PAUSED.format("ended early"): {"null": 4}})),
    ("pilot-failed", crew(statuses={"RUNNING": {"FatalError": 4}})),
    ("all-bad-elsewhere", crew(statuses={"IDLE": {"null": 4}}, all_bad=True)),
    ("start-again", crew(Phase.PENDING_STARTER, retry_at=later(seconds=30))),
    ("phase-unknown", crew(Phase("from-tomorrow"))),
    ("turn-awaited", crew(Phase.PRE_LAUNCH)),
    ("being-started", crew(Phase.PENDING_STARTER, asked_at=later(seconds=-5), n_asked=1)),
    ("no-status-yet", crew()),
    ("slot-awaited", crew(statuses={"IDLE": {"null": 4}})),
    ("not-reported", crew(statuses={"RUNNING": {"null": 4}})),
    ("preparing", crew(statuses={"RUNNING": {"Started": 4}})),
    ("leaving", crew(statuses={"RUNNING": {"Done": 4}})),
]


@pytest.mark.parametrize(("cause", "facts"), CASES, ids=[cause for cause, _ in CASES])
def test_facts_show_their_cause_with_text_remedy_and_command(cause: str, facts: WorkflowFacts) -> None:
    found = {each.cause: each for each in explain_workflow(facts).causes}
    assert cause in found, f"found {sorted(found)}"
    shown = found[cause]
    assert shown.severity is CAUSES[cause].severity
    assert shown.text
    assert "{" not in shown.text + shown.command
    assert shown.remedy.endswith(".")
    assert shown.command.startswith("ewms ")


def test_every_cause_of_the_table_has_a_row_and_there_are_enough() -> None:
    assert {cause for cause, _ in CASES} == set(WORKFLOW_CAUSES)
    assert len(WORKFLOW_CAUSES) >= 40


def test_the_most_serious_cause_comes_first_and_none_comes_twice() -> None:
    facts = replace(
        make_facts(
            statuses={"HELD: Put on hold by a user": {"null": 1}, "IDLE": {"null": 3}},
            counts=depths(5, 40, dead=1, failed=1, arrived=50),
            of_workers=crew(statuses={"HELD: Put on hold by a user": {"null": 1}, "IDLE": {"null": 3}}).healths[UUID],
        )
    )
    causes = explain_workflow(facts).causes
    assert [each.cause for each in causes] == ["held-by-user", "dead-letters", "slot-awaited", "results-waiting"]
    ranks = [each.severity.rank for each in causes]
    assert ranks == sorted(ranks)


def test_an_ended_workflow_misses_no_worker() -> None:
    late = crew(statuses={"IDLE": {"null": 4}})
    over = replace(late, workflow=late.workflow.model_copy(update={"deactivated": Deactivated.ABORTED}))
    assert {each.cause for each in explain_workflow(over).causes} == {"ended-aborted", "stopping"}


def test_every_reason_that_a_tms_gives_for_a_hold_has_a_cause() -> None:
    reasons = {*hold_reasons._REASONS.values(), *hold_reasons._SUBREASONS.values()}
    pauses = {reason for reason in reasons if "starts again after a pause" in reason}
    assert [reason for reason in reasons - pauses if find_hold_cause(reason) == "held-other"] == []


@pytest.mark.parametrize("cause", WORKFLOW_CAUSES)
def test_an_entry_names_only_values_that_are_there_to_fill_in(cause: str) -> None:
    entry = CAUSES[cause]
    named = {name for _, name, _, _ in Formatter().parse(entry.text + entry.command) if name}
    assert named <= {
        "n", "n_workers", "n_consumers", "n_expected", "n_wanted", "why", "letters", "workflow", "task", "taskforce",
        "schedd", "since", "at", "ends", "signal", "phase", "alias", "settled",
    }  # fmt: skip
    assert entry.severity in Severity
    if cause in ABOUT_WORKERS:
        assert not entry.text.startswith("{n}"), "the number comes before the text"
    assert WORKFLOW not in entry.text


def test_the_same_trouble_of_two_tasks_is_told_of_both() -> None:
    causes = [
        StallCause(cause="no-takers", text="why", command="", task_id=task_id, n_events=2)
        for task_id in ("TD-1", "TD-2")
    ]
    facts = make_facts(stall=Stall(since=datetime(2026, 11, 30, tzinfo=UTC), causes=causes))
    told = [each.task_id for each in explain_workflow(facts).causes if each.cause == "no-takers"]
    assert told == ["TD-1", "TD-2"]


def test_workers_that_somebody_ended_are_no_cause() -> None:
    found = explain_workflow(crew(Phase.PENDING_STOPPER, has_ended=True)).causes
    assert [each.cause for each in found] == ["moving"]
