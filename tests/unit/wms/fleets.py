"""Aggregates to decide about, made the way the gateway makes them."""

from datetime import UTC, datetime, timedelta
from typing import Any

from schemas.api.workflows.requests import WorkflowRequest
from schemas.events import (
    QueuesActivated,
    TaskforceCompleted,
    TaskforceRemoved,
    TaskforceRemoveFailed,
    TaskforceSubmitFailed,
    TaskforceSubmitted,
)
from schemas.fleet.objects import PhaseChange
from schemas.ids import TaskforceUuid
from wms.fleet.choices.locations import Location, LocationMap, ServedBy
from wms.fleet.choices.pilot_tags import PilotTags
from wms.fleet.choices.policy import FleetPolicy
from wms.fleet.id_source import IdSource
from wms.fleet.life.aggregate import Aggregate, Draft, FleetDecision
from wms.fleet.life.lifecycle import decide_stimulus
from wms.fleet.life.stimuli import Launch, Stimulus
from wms.fleet.life.workflow_requests import NewWorkflow, make_workflow
from wms.fleet.ownership import Owner

NOW = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)

CLUSTERS = LocationMap({"osg": Location(schedd="S1"), "sub-2": "osg", "chicago": Location(schedd="S2", n_workers=7)})

#: Events serve both schedds.
POLICY = FleetPolicy(CLUSTERS)
#: The TMS of either schedd polls.
POLLING = FleetPolicy(
    LocationMap({schedd: Location(schedd=schedd, served_by=ServedBy.REST) for schedd in ("S1", "S2")})
)

WORKER_CONFIG = {
    "do_transfer_worker_stdouterr": True,
    "max_worker_runtime": 600,
    "n_cores": 1,
    "priority": 99,
    "worker_disk": "512M",
    "worker_memory": "512M",
}


def later(**duration: float) -> datetime:
    """Return an instant after `NOW`."""
    return NOW + timedelta(**duration)


def task_request(**fields: Any) -> dict[str, Any]:
    """Return a task as a user would write it."""
    return {
        "cluster_locations": ["osg"],
        "input_queue_aliases": ["in"],
        "output_queue_aliases": ["out"],
        "task_image": "/images/reco",
        "task_args": "reco {{INFILE}} {{OUTFILE}}",
        "n_workers": 10,
        "worker_config": WORKER_CONFIG,
        **fields,
    }


def request(*tasks: dict[str, Any], **fields: Any) -> WorkflowRequest:
    """Return a checked request for `tasks`, by default one."""
    return WorkflowRequest.model_validate(
        {"public_queue_aliases": ["in", "out"], "tasks": list(tasks) or [task_request()], **fields}
    )


def made(*tasks: dict[str, Any], seed: bytes = b"seed", **fields: Any) -> NewWorkflow:
    """Return what a request makes."""
    return make_workflow(
        request(*tasks, **fields),
        owner=Owner("ada", ("/projects/muon",)),
        locations=CLUSTERS,
        tags=PilotTags(latest="1.2.3"),
        mint=IdSource(seed, NOW),
        now=NOW,
    )


def aggregate(*tasks: dict[str, Any]) -> Aggregate:
    """Return a new workflow's aggregate; two taskforces at two schedds unless told otherwise."""
    new = made(*(tasks or (task_request(cluster_locations=["osg", "chicago"]),)))
    return Aggregate(
        workflow=new.workflow,
        taskforces={taskforce.taskforce_uuid: taskforce for taskforce in new.taskforces},
        tasks={task.task_id: task for task in new.tasks},
    )


def decide(before: Aggregate, stimulus: Stimulus, now: datetime, policy: FleetPolicy = POLICY) -> FleetDecision:
    """Return the outcome of `stimulus`."""
    return decide_stimulus(Draft(before, policy, now), stimulus)


def after(before: Aggregate, *stimuli: Stimulus, now: datetime = NOW, policy: FleetPolicy = POLICY) -> Aggregate:
    """Return the aggregate after `stimuli`."""
    for stimulus in stimuli:
        before = decide(before, stimulus, now, policy).after
    return before


def first(state: Aggregate) -> TaskforceUuid:
    """Return the first taskforce's id."""
    return next(iter(state.taskforces))


def activated(state: Aggregate) -> QueuesActivated:
    """Return MQS's word that the queues are there."""
    return QueuesActivated(workflow_id=state.workflow.workflow_id)


def submitted(state: Aggregate, uuid: TaskforceUuid, cluster_id: int = 7, *, schedd: str = "") -> TaskforceSubmitted:
    """Return a TMS's word that a cluster lies paused."""
    return TaskforceSubmitted(
        taskforce_uuid=uuid,
        schedd=schedd or state.taskforces[uuid].schedd,
        cluster_id=cluster_id,
        n_workers=10,
        submit_dict={"executable": "pilot"},
        job_event_log_fpath="/jel/1",
    )


def failed(uuid: TaskforceUuid, error: str = "no room") -> TaskforceSubmitFailed:
    """Return a TMS's word that it could not submit."""
    return TaskforceSubmitFailed(taskforce_uuid=uuid, error=error)


def removed(uuid: TaskforceUuid, cluster_id: int | None = 7) -> TaskforceRemoved:
    """Return a TMS's word that a cluster is removed."""
    return TaskforceRemoved(taskforce_uuid=uuid, cluster_id=cluster_id)


def remove_failed(uuid: TaskforceUuid, error: str = "schedd is away") -> TaskforceRemoveFailed:
    """Return a TMS's word that it could not remove."""
    return TaskforceRemoveFailed(taskforce_uuid=uuid, error=error)


def completed(uuid: TaskforceUuid, cluster_id: int = 7) -> TaskforceCompleted:
    """Return a TMS's word that a cluster has left the queue."""
    return TaskforceCompleted(taskforce_uuid=uuid, cluster_id=cluster_id, completed_at=later(hours=1, seconds=0.5))


def running(cluster_id: int = 7) -> tuple[Aggregate, TaskforceUuid]:
    """Return an aggregate of one taskforce that is submitted and released."""
    state = aggregate(task_request())
    uuid = first(state)
    state = after(state, activated(state), Launch(uuid))
    return after(state, submitted(state, uuid, cluster_id)), uuid


def last_line(outcome: FleetDecision | Aggregate, uuid: TaskforceUuid) -> PhaseChange:
    """Return the end of a taskforce's log."""
    state = outcome.after if isinstance(outcome, FleetDecision) else outcome
    return state.taskforces[uuid].phase_change_log[-1]
