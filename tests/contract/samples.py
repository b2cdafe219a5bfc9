"""One sample of every message that crosses a process border, as its producer would build it.

`python -m tests.contract.samples` writes them to golden/; do so only when the wire is meant to change.
"""

from datetime import UTC, datetime
from pathlib import Path

from pydantic import SecretStr

from schemas.documents import QueuePlan
from schemas.endings import Completion
from schemas.events import (
    ControlEvent,
    Fact,
    Payload,
    QueuesActivated,
    QueuesActivatedFact,
    QueuesDeferred,
    QueuesDrained,
    ResultsArrived,
    Snapshot,
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
    TaskOrder,
    WorkflowEnding,
    WorkflowOver,
    WorkflowOverFact,
    WorkflowRequested,
    build_event,
)
from schemas.ids import Alias, EventId, Mqid, TaskforceUuid, TaskId, WorkflowId
from schemas.objects import MQGroup, MQProfile, PilotConfig, WorkerConfig
from schemas.phases import Deactivated
from schemas.questions import Answer, Question, Refusal
from schemas.requests import (
    ActivateQuery,
    BacklogsAnswer,
    BacklogsQuery,
    Depth,
    DepthsAnswer,
    DepthsQuery,
    GrantAnswer,
    GrantQuery,
    GroupAnswer,
    GroupQuery,
    ProfileQuery,
    ProfilesAnswer,
    ProfilesQuery,
    QueueBacklog,
    ReserveQuery,
    TaskProfilesQuery,
)
from schemas.wire import answer_to_bytes, event_to_bytes, request_to_bytes

GOLDEN = Path(__file__).parent / "golden"

WORKFLOW = WorkflowId("WF-6b00e09f-926a610b")
TASK = TaskId("TK-6b00e09f-926a610b-485d2fc0")
TASKFORCE = TaskforceUuid("TF-6b00e09f-926a610b-485d2fc0-57c5a8e4")
#: The subject of another site's WMS.
SITE = "wms.example.org"
HITS = Mqid("a72475165e05b4f83a948")
TRACKS = Mqid("a0b1c2d3e4f5061728394")
SCHEDD = "grid-submitter.example.org"
AT = datetime(2026, 11, 21, 8, 0, 0, tzinfo=UTC)

WORKER = WorkerConfig(
    do_transfer_worker_stdouterr=True,
    max_worker_runtime=7200,
    n_cores=1,
    priority=50,
    worker_disk="2G",
    worker_memory=536870912,
    condor_requirements="HasAVX2 =?= true",
)
ORDER = TaskOrder(
    task_id=TASK,
    task_image="/cvmfs/example.org/reco-2.0",
    task_args="reco --in {{INFILE}} --out {{OUTFILE}}",
    task_env={"SEED": "7"},
    init_image="/cvmfs/example.org/fetch-1.1",
    init_args="fetch-geo {{DATA_HUB}}/geo.gz",
    init_env={},
    input_queues=[HITS],
    output_queues=[TRACKS],
)

PAYLOADS: tuple[Payload, ...] = (
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

REQUESTS: tuple[Question, ...] = (
    ProfilesQuery(workflow_id=WORKFLOW, subject="ada"),
    GrantQuery(workflow_id=WORKFLOW, taskforce_uuid=TASKFORCE, inputs=[HITS], outputs=[TRACKS], n_workers=8),
    DepthsQuery(workflow_id=WORKFLOW),
    BacklogsQuery(mqids=[HITS, TRACKS]),
    TaskProfilesQuery(workflow_id=WORKFLOW, taskforce_uuid=TASKFORCE, inputs=[HITS], outputs=[TRACKS]),
    ReserveQuery(
        site=SITE, workflow_id=WORKFLOW, queue_aliases=[Alias("hits"), Alias("tracks")], public=[Alias("hits")]
    ),
    ActivateQuery(site=SITE, workflow_id=WORKFLOW, priority=60),
    GroupQuery(site=SITE, workflow_id=WORKFLOW),
    ProfileQuery(site=SITE, mqid=HITS),
)

ANSWERS: tuple[Answer, ...] = (
    ProfilesAnswer(
        profiles=[
            MQProfile(
                mqid=HITS,
                workflow_id=WORKFLOW,
                timestamp=1795219615.31,
                alias=Alias("hits"),
                is_public=True,
                is_activated=True,
                auth_token="header.claims.signature",
                broker_type="rabbitmq",
                broker_address="user@broker.example.org:5672/ewms",
            )
        ]
    ),
    GrantAnswer(
        token=SecretStr("header.claims.signature"),
        expires_at=AT,
        broker_type="rabbitmq",
        broker_address="user@broker.example.org:5672/ewms",
        aliases={"a72475165e05b4f83a948": "in"},
    ),
    DepthsAnswer(
        queues=[
            Depth(mqid=HITS, alias="hits", is_public=True, n_ready=12, n_unacknowledged=8, n_consumers=8),
        ],
        n_dead=1,
    ),
    BacklogsAnswer(queues={HITS: QueueBacklog(n_ready=12, n_unacknowledged=8, n_delayed=1, n_consumers=8)}),
    GroupAnswer(
        group=MQGroup(workflow_id=WORKFLOW, timestamp=1795219615.31, criteria={"priority": 60}),
        profiles=[
            MQProfile(
                mqid=HITS,
                workflow_id=WORKFLOW,
                timestamp=1795219615.31,
                alias=Alias("hits"),
                is_public=True,
                is_activated=False,
            )
        ],
    ),
    Refusal(code=404, error="no such workflow", hint="check the id"),
)


def golden_files() -> dict[Path, bytes]:
    """Return the golden bytes of every sample, by path."""
    files = {GOLDEN / "events" / f"{name}.json": event_to_bytes(event) for name, event in EVENTS.items()}
    files |= {GOLDEN / "requests" / f"{request.kind}.query.json": request_to_bytes(request) for request in REQUESTS}
    files |= {GOLDEN / "requests" / f"{answer.kind}.answer.json": answer_to_bytes(answer) for answer in ANSWERS}
    return files


if __name__ == "__main__":
    for path, body in golden_files().items():
        path.write_bytes(body)
