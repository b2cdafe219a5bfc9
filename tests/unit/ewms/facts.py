"""Objects for the tests of `state`, `progress` and `view`, made short."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from ewms.workflows.progress import Observation
from ewms.workflows.state import WorkflowState
from schemas.api.queues.profiles import QueueDepth, QueueDepths
from schemas.api.workflows.health import Stall, StallCause
from schemas.fleet.endings import Completion, Ending
from schemas.fleet.objects import PhaseChange, TaskDirective, Taskforce, Workflow
from schemas.fleet.phases import Deactivated, Phase

WORKFLOW = "WF-6b00e09f-926a610b"
TASK = "TK-6b00e09f-926a610b-485d2fc0"


def change(phase: Phase, at: float = 1.0, *, ok: bool = True, context: str = "") -> PhaseChange:
    return PhaseChange(
        target_phase=phase,
        timestamp=at,
        was_successful=ok,
        source_event_time=None,
        source_entity="TMS",
        context=context,
    )


def taskforce(
    phase: Phase = Phase.CONDOR_SUBMIT,
    statuses: Mapping[str, Mapping[str, int]] | None = None,
    *,
    number: int = 1,
    cluster: int | None = 1,
    log: list[PhaseChange] | None = None,
    errors: dict[str, int] | None = None,
) -> Taskforce:
    return Taskforce.model_validate(
        {
            "taskforce_uuid": f"TF-6b00e09f-926a610b-485d2fc0-{number:08x}",
            "task_id": TASK,
            "workflow_id": WORKFLOW,
            "timestamp": 0.0,
            "priority": 50,
            "schedd": "s",
            "n_workers": 4,
            "worker_config": {
                "do_transfer_worker_stdouterr": False,
                "max_worker_runtime": 60,
                "n_cores": 1,
                "priority": 0,
                "worker_disk": "1G",
                "worker_memory": "1G",
            },
            "pilot_config": {},
            "cluster_id": cluster,
            "phase": phase,
            "phase_change_log": log or [],
            "compound_statuses": statuses or {},
            "top_task_errors": errors or {},
        }
    )


def state(*taskforces: Taskforce, ended: Deactivated | None = None) -> WorkflowState:
    task = TaskDirective.model_validate(
        {
            "task_id": TASK,
            "workflow_id": WORKFLOW,
            "timestamp": 0.0,
            "cluster_locations": ["c"],
            "task_image": "",
            "task_args": "",
            "task_env": {},
            "init_image": "",
            "init_args": "",
            "init_env": {},
            "input_queues": ["a-in"],
            "output_queues": ["a-out"],
        }
    )
    workflow = Workflow.model_validate(
        {"workflow_id": WORKFLOW, "timestamp": 0.0, "priority": 50, "deactivated": ended}
    )
    return WorkflowState(workflow, [task], taskforces)


def ending(*, is_closed: bool = False, n_expected: int | None = None, completion: Completion | None = None) -> Ending:
    return Ending(
        workflow_id=WORKFLOW,
        inputs_closed_at=datetime(2026, 11, 28, 8, 0, tzinfo=UTC) if is_closed else None,
        expected_results=n_expected,
        count_failures=False,
        completion=completion,
        n_dead=None,
        has_all_results=False,
    )


def depths(
    n_in: int = 0,
    n_out: int = 0,
    *,
    in_work: int = 0,
    delayed: int = 0,
    dead: int = 0,
    failed: int = 0,
    arrived: int | None = None,
) -> QueueDepths:
    return QueueDepths(
        workflow_id=WORKFLOW,
        queues=[
            QueueDepth(
                mqid="a-in",
                alias="photons",
                is_public=True,
                n_ready=n_in,
                n_unacknowledged=in_work,
                n_delayed=delayed,
                n_consumers=4,
                n_arrived=arrived,
            ),
            QueueDepth(mqid="a-out", alias="results", is_public=True, n_ready=n_out, n_unacknowledged=0, n_consumers=1),
        ],
        n_dead=dead,
        n_failed=failed,
    )


def facts(at_s: float, seen: WorkflowState | None = None, lying: QueueDepths | None = None, **more: Any) -> Observation:
    return Observation(at_s=at_s, state=seen or state(taskforce()), depths=lying, **more)


def stall(cause: str = "held", why: str = "4 worker(s) held: Out of memory") -> Stall:
    told = StallCause(
        cause=cause,
        text=f"12 event(s) are left, and no worker comes: {why}",
        command="ewms taskforce show TF-1",
        task_id=TASK,
        n_events=12,
    )
    return Stall(since=datetime(2026, 11, 28, 8, 0, tzinfo=UTC), causes=[told])
