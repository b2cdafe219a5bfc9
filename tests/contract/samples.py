"""One sample of every message that crosses a process border, as its producer would build it.

`python -m tests.contract.samples` writes them to golden/; do so only when the wire is meant to change.
"""

from pathlib import Path

from schemas.broker.services import Service
from schemas.broker.topology import pool_service
from schemas.engine.runs import ChildRequest, NodeError, Outcome
from schemas.events import (
    ControlEvent,
    DefinitionRegistered,
    Fact,
    NodeEnded,
    NodeReturned,
    NodeRun,
    NodeTaken,
    Payload,
    ProductRegistered,
    QueuesActivated,
    QueuesActivatedFact,
    QueuesDeferred,
    QueuesDrained,
    ResultsArrived,
    ReturnReason,
    Snapshot,
    StepStatedFact,
    StepWorkerAlive,
    TaskforceCompleted,
    TaskforceCompletedFact,
    TaskforceRelease,
    TaskforceRemove,
    TaskforceRemoved,
    TaskforceRemoveFailed,
    TaskforceStart,
    TaskforceStatuses,
    TaskforceStop,
    TaskforceSubmitFailed,
    TaskforceSubmitted,
    WorkflowEnding,
    WorkflowOver,
    WorkflowOverFact,
    WorkflowRequested,
    build_event,
)
from schemas.fleet.documents import QueuePlan
from schemas.fleet.endings import Completion
from schemas.fleet.objects import PilotConfig
from schemas.fleet.phases import Deactivated
from schemas.fleet.pilot_kills import PilotKills
from schemas.fleet.worker_times import Activity, TimeSum, WorkerTimes
from schemas.ids import (
    Alias,
    EventId,
    NodeKey,
    TaskId,
)
from schemas.pilot.outcomes import (
    EventOutcome,
    LogLength,
    LogPiece,
    RunEnding,
    TaskStream,
    outcome_to_bytes,
    piece_to_bytes,
)
from schemas.wire import answer_to_bytes, event_to_bytes, request_to_bytes
from tests.contract.question_samples import ANSWERS, REQUESTS
from tests.contract.sample_objects import (
    AT,
    CHILD_UUID,
    DEFINITION_HASH,
    ENROLLMENT,
    HITS,
    KILL,
    ORDER,
    PRODUCT,
    RUN,
    RUN_UUID,
    SCHEDD,
    SUBSCRIPTION,
    TASKFORCE,
    TRACKS,
    WORKER,
    WORKFLOW,
)

GOLDEN = Path(__file__).parent / "golden"


PAYLOADS: tuple[Payload, ...] = (
    NodeRun(
        run=RUN,
        node=NodeKey("1"),
        attempt=2,
        pool="default",
        run_uuid=RUN_UUID,
        definition=ENROLLMENT.name,
        definition_hash=DEFINITION_HASH,
        function="provision",
        name="Provision",
        state={"process_id": RUN_UUID, "esdb_node_id": 12},
        variables={"site": "ber"},
        subscriptions=({"subscription_id": "5ab7", "status": "initial"},),
        idempotency_key=f"{RUN_UUID}/1",
        n_polls=1,
        artifacts={"operation_id": "op-7"},
        callback_key="kept-by-the-step",
        timeout_s=3600,
        valid_until=AT,
    ),
    NodeTaken(run=RUN, node=NodeKey("1"), attempt=2, worker="default@host:4711", taken_at=AT),
    NodeReturned(run=RUN, node=NodeKey("1"), attempt=2, worker="default@host:4711", n_lost=1, reason=ReturnReason.LOST),
    NodeEnded(
        run=RUN,
        node=NodeKey("1"),
        attempt=2,
        outcome=Outcome.FAILED,
        worker="default@host:4711",
        n_polls=1,
        delta={},
        removed=("draft",),
        keeps_changes=True,
        artifacts={"serial": 7},
        error=NodeError(error_class="ApiException", message="503", traceback="...", details={"status_code": 503}),
        models=({"subscription_id": "5ab7", "status": "provisioning"},),
        events=({"name": "node.enrolled", "correlation": "12", "body": {"serial": 7}},),
        subscriptions=(str(SUBSCRIPTION.subscription_id),),
        children=(ChildRequest(uuid=CHILD_UUID, definition="validate_node", params={"n": 1}, who="SYSTEM"),),
        started_at=AT,
        ended_at=AT,
    ),
    DefinitionRegistered(worker="default@host:4711", hash=DEFINITION_HASH, definition=ENROLLMENT),
    ProductRegistered(worker="default@host:4711", pool="default", product=PRODUCT),
    StepStatedFact(
        run=RUN,
        run_uuid=RUN_UUID,
        node=NodeKey("1"),
        definition=ENROLLMENT.name,
        name="node.enrolled",
        correlation="12",
        body={"serial": 7},
    ),
    StepWorkerAlive(worker="default@host:4711", pool="default", hashes=(DEFINITION_HASH,), n_running=3, started_at=AT),
    WorkflowRequested(
        workflow_id=WORKFLOW,
        priority=60,
        owner="ada",
        projects=["/institutions/IceCube"],
        queues=[
            QueuePlan(mqid=HITS, alias=Alias("hits"), is_public=True, is_input=True),
            QueuePlan(mqid=TRACKS, alias=Alias("tracks"), is_public=True, is_output=True),
        ],
        schedds=[SCHEDD],
        requested_at=AT,
    ),
    WorkflowOver(workflow_id=WORKFLOW),
    QueuesActivated(workflow_id=WORKFLOW),
    QueuesDeferred(workflow_id=WORKFLOW, reason="the broker's budget of 1000 queues is used"),
    WorkflowEnding(workflow_id=WORKFLOW, number=2, is_closed=True, levels=[[HITS]], n_expected=500, counts_dead=True),
    QueuesDrained(workflow_id=WORKFLOW, n_dead=3, n_results=27),
    ResultsArrived(workflow_id=WORKFLOW, n_results=498, n_dead=2),
    TaskforceStart(
        taskforce_uuid=TASKFORCE,
        schedd=SCHEDD,
        workflow_id=WORKFLOW,
        owner="ada@example.org",
        priority=60,
        n_workers=250,
        worker_config=WORKER,
        pilot_config=PilotConfig(tag="1.2.3", environment={"EWMS_PILOT_PREFETCH": 4, "EWMS_PILOT_OKAY_ERRORS": ["A"]}),
        task=ORDER,
    ),
    TaskforceRelease(taskforce_uuid=TASKFORCE, schedd=SCHEDD, cluster_id=41),
    TaskforceRemove(taskforce_uuid=TASKFORCE, schedd=SCHEDD, cluster_id=42),
    TaskforceStop(taskforce_uuid=TASKFORCE, schedd=SCHEDD, cluster_id=None),
    TaskforceSubmitted(
        taskforce_uuid=TASKFORCE,
        schedd=SCHEDD,
        cluster_id=41,
        n_workers=250,
        submit_dict={"request_cpus": 1, "request_memory": "512 MB"},
        job_event_log_fpath="/var/lib/ewms/tms/TF/job.log",
    ),
    TaskforceSubmitFailed(taskforce_uuid=TASKFORCE, error="the schedd refused: no such accounting group"),
    TaskforceRemoved(taskforce_uuid=TASKFORCE, cluster_id=41),
    TaskforceRemoveFailed(taskforce_uuid=TASKFORCE, error="the schedd does not answer"),
    TaskforceCompleted(taskforce_uuid=TASKFORCE, cluster_id=41, completed_at=AT),
    TaskforceStatuses(
        schedd=SCHEDD,
        snapshots=[
            Snapshot(
                taskforce_uuid=TASKFORCE,
                epoch=3,
                seq=17,
                as_of=AT,
                compound_statuses={"IDLE": {"null": 3}, "RUNNING": {"Tasking": 41, "null": 1}},
                top_task_errors={"ValueError: bad pixel": 2},
                exit_codes={"-9": 1, "0": 4},
                kills=[PilotKills(signal="SIGKILL (most often out of memory)", n_kills=1, last_at=AT, latest=[KILL])],
                times=WorkerTimes(
                    sums={Activity.WORKING: TimeSum(n_now=41, offset_ms=-73_636_000_000_000)},
                    first_run_at=AT,
                    last_done_at=AT,
                    n_runs=42,
                    n_pilots=41,
                    n_slots=1,
                    n_done=900,
                    done_ms=1_800_000,
                    idle_ms=20_000,
                    peak_mib=412,
                    durations={"21": 900},
                ),
            )
        ],
    ),
    WorkflowOverFact(workflow_id=WORKFLOW, deactivated=Deactivated.FINISHED, completion=Completion.DONE, over_at=AT),
    TaskforceCompletedFact(
        taskforce_uuid=TASKFORCE, workflow_id=WORKFLOW, schedd=SCHEDD, cluster_id=41, completed_at=AT
    ),
    QueuesActivatedFact(workflow_id=WORKFLOW, activated_at=AT),
)


def _source(payload: Payload) -> str:
    if isinstance(payload, Fact):
        return payload.BY
    if type(payload).__module__ == "schemas.events.engine" and getattr(payload, "TO", "") == Service.WMS:
        return pool_service("default")
    return "tms" if getattr(payload, "TO", "") == "wms" and "queues" not in payload.TYPE else "wms"


EVENTS: dict[str, ControlEvent] = {
    payload.TYPE: build_event(
        payload,
        event_id=EventId("5d6a0d5e-3c77-4a5e-9d9f-0a6f8c1b2d3e"),
        source=f"ewms/{_source(payload)}",
        time=AT,
        traceparent="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    )
    for payload in PAYLOADS
}


#: What pilots publish for EWMS's own readers, on queues of the data vhost.
OUTCOME = EventOutcome(
    event_id=EventId("5f0e1c1a-4a1c-4a37-8a55-5cf0c2f6a001"),
    attempt=1,
    ending=RunEnding.EXITED,
    exit_status=3,
    error="ContainerRunError('task failed (exit code 3): no such host')",
    run="0c1f6a0d2b7c4f6d9a3f7f1f6d1a2b3c",
    key="web-07",
    task_id=TaskId("TD-a1b2"),
    taskforce_uuid="TF-c3d4",
    output={"changed": False},
    output_type="application/json",
    started_at="2026-11-29T12:00:00.250000+00:00",
    ended_at="2026-11-29T12:00:07.500000+00:00",
    site="north",
    machine="node17",
    slot="slot1_3",
    worker=4,
    stdout=LogLength(n_pieces=2, n_bytes=70_000),
    stderr=LogLength(n_pieces=16, n_bytes=9_000_000, is_cut=True),
)
LOG_PIECE = LogPiece(
    event_id=OUTCOME.event_id,
    attempt=1,
    run=OUTCOME.run,
    stream=TaskStream.STDERR,
    number=15,
    text="no such host\n",
    is_last=True,
    is_cut=True,
    key="web-07",
    task_id=TaskId("TD-a1b2"),
    taskforce_uuid="TF-c3d4",
)


def golden_files() -> dict[Path, bytes]:
    """Return the golden bytes of every sample, by path."""
    files = {GOLDEN / "events" / f"{name}.json": event_to_bytes(event) for name, event in EVENTS.items()}
    files |= {GOLDEN / "requests" / f"{request.kind}.query.json": request_to_bytes(request) for request in REQUESTS}
    files |= {GOLDEN / "requests" / f"{answer.kind}.answer.json": answer_to_bytes(answer) for answer in ANSWERS}
    files |= {GOLDEN / "pilot" / "outcome.json": outcome_to_bytes(OUTCOME)}
    files |= {GOLDEN / "pilot" / "log_piece.json": piece_to_bytes(LOG_PIECE)}
    return files


if __name__ == "__main__":
    for path, body in golden_files().items():
        path.write_bytes(body)
