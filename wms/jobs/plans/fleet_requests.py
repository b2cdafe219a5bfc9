"""Write the request for the workflow that runs tasks of a job on hosts of a batch. (core)

    hosts ─► task 1 ─► hosts-2 ─► task 2 ...        each task but the last one forwards the events that ended well
               └──────► outcomes, logs ◄──┘         each task reports every event, and what its container writes

The events that WMS publishes are the payloads. No user gets a token of these queues, because WMS itself owns the
workflow.
"""

import shlex
import uuid
from collections.abc import Iterable, Mapping, Sequence

from schemas.api.workflows.requests import TaskRequest, WorkflowRequest
from schemas.automation.catalogue import FanOut
from schemas.automation.jobs import JobWorkDocument, PinnedTask
from schemas.automation.stored_secrets import SecretFile
from schemas.fleet.documents import TaskDirectiveDocument, WorkflowDocument
from schemas.fleet.objects import PilotConfig, PilotValue, WorkerConfig
from schemas.ids import EventId, TaskId, WorkflowId

HOSTS = "hosts"
OUTCOMES = "outcomes"
LOGS = "logs"
#: The key of the event that a container gets for all hosts.
INVENTORY_KEY = "inventory"

#: How long a pilot of the only task waits for an event. WMS ends the workflow, so pilots need not end before.
_IDLE_S = 3600
#: The same for tasks of a chain. A small pool has no slot for all of them, so a worker that only waits must leave its
#: slot to the other tasks. TMS starts it again after a pause of at most two minutes.
_IDLE_IN_CHAIN_S = 60
#: What a worker needs besides the runs of its containers: to fetch the image, to start and to report.
_WORKER_EXTRA_S = 1800
_MAX_WORKER_S = 60 * 60 * 24 * 365

_EVENTS = uuid.UUID("6f3f2f34-52e7-4b5d-9d6a-8f4f2f0f7a11")


def name_runner(owner: str) -> str:
    """Return the owner of the workflows of a person's jobs. No token has this subject."""
    return f"ewms-jobs/{owner}"


def name_hosts_queue(place: int) -> str:
    """Return the alias of the input of the task at this place of a workflow, from 0."""
    return HOSTS if place == 0 else f"{HOSTS}-{place + 1}"


def make_unit_id(workflow_id: WorkflowId, place: int | None) -> EventId:
    """Return the id of the event for the host at `place` of a job; None: the one event for all hosts."""
    return EventId(str(uuid.uuid5(_EVENTS, f"{workflow_id}/{INVENTORY_KEY if place is None else place}")))


def needs_at_most_once(tasks: Sequence[PinnedTask]) -> bool:
    """Return whether no event of a workflow of these tasks may be worked on twice."""
    return any(not task.idempotent for task in tasks)


def gets_inventory(tasks: Sequence[PinnedTask]) -> bool:
    """Return whether one container gets all hosts."""
    return tasks[0].fan_out is FanOut.INVENTORY


def make_fleet_request(
    tasks: Sequence[PinnedTask], *, n_hosts: int, max_workers: int, secrets: Sequence[SecretFile] = ()
) -> WorkflowRequest:
    """Return the request for a workflow that runs `tasks` one after the other on each of `n_hosts` hosts.

    At most `max_workers` workers run a task at one location. Each task gets those of the job's `secrets` that are for
    it.
    """
    n_events = 1 if gets_inventory(tasks) else n_hosts
    once = needs_at_most_once(tasks)
    return WorkflowRequest(
        tasks=[
            _make_task(
                task,
                (image, locations),
                place=place,
                n_tasks=len(tasks),
                n_events=n_events,
                max_workers=max_workers,
                is_at_most_once=once,
                secrets=[each.file for each in choose_secrets(secrets, [task])],
            )
            for place, task in enumerate(tasks)
            for image, locations in _group_locations(task.images).items()
        ],
        public_queue_aliases=[HOSTS, OUTCOMES, LOGS],
    )


def choose_secrets(secrets: Iterable[SecretFile], tasks: Sequence[PinnedTask]) -> tuple[SecretFile, ...]:
    """Return those of a job's secrets that at least one of `tasks` gets."""
    return tuple(each for each in secrets if any(each.is_for(task.task) for task in tasks))


def _group_locations(images: Mapping[str, str]) -> dict[str, list[str]]:
    """Return image -> the locations that have it."""
    grouped: dict[str, list[str]] = {}
    for location in sorted(images):
        grouped.setdefault(images[location], []).append(location)
    return grouped


def _make_task(
    task: PinnedTask,
    image: tuple[str, list[str]],
    *,
    place: int,
    n_tasks: int,
    n_events: int,
    max_workers: int,
    is_at_most_once: bool,
    secrets: Sequence[str],
) -> TaskRequest:
    n_workers = max(1, min(n_events, max_workers))
    n_rounds = -(-n_events // n_workers)
    runtime_s = task.resources.max_runtime_s
    is_last = place == n_tasks - 1
    return TaskRequest(
        cluster_locations=image[1],
        task_image=image[0],
        task_args=shlex.join(task.command),
        input_queue_aliases=[name_hosts_queue(place)],
        output_queue_aliases=[*([] if is_last else [name_hosts_queue(place + 1)]), OUTCOMES, LOGS],
        worker_config=WorkerConfig(
            do_transfer_worker_stdouterr=False,
            max_worker_runtime=min(runtime_s * n_rounds + _WORKER_EXTRA_S, _MAX_WORKER_S),
            n_cores=task.resources.n_cores,
            priority=0,
            worker_disk=task.resources.disk_bytes,
            worker_memory=task.resources.memory_bytes,
        ),
        pilot_config=PilotConfig(
            environment=_make_options(
                runtime_s,
                idle_s=_IDLE_S if n_tasks == 1 else _IDLE_IN_CHAIN_S,
                forwards=not is_last,
                is_at_most_once=is_at_most_once,
                secrets=secrets,
            )
        ),
        n_workers=n_workers,
    )


def _make_options(
    runtime_s: int, *, idle_s: int, forwards: bool, is_at_most_once: bool, secrets: Sequence[str]
) -> dict[str, PilotValue]:
    options: dict[str, PilotValue] = {
        "EWMS_PILOT_OUTCOMES_TO": OUTCOMES,
        "EWMS_PILOT_LOGS_TO": LOGS,
        "EWMS_PILOT_PAYLOAD_ARGUMENT": "True",
        "EWMS_PILOT_TASK_TIMEOUT": runtime_s,
        # A pilot that ignored one of these options would break a promise of the job.
        "EWMS_PILOT_REFUSE_UNKNOWN": "True",
        "EWMS_PILOT_TIMEOUT_QUEUE_INCOMING": idle_s,
        "EWMS_PILOT_TIMEOUT_QUEUE_WAIT_FOR_FIRST_MESSAGE": idle_s,
    }
    if forwards:
        options["EWMS_PILOT_FORWARD_EVENTS"] = "True"
    if is_at_most_once:
        options["EWMS_PILOT_AT_MOST_ONCE"] = "True"
    if secrets:
        options["EWMS_PILOT_SECRETS"] = ",".join(secrets)
    return options


def number_tasks(
    work: JobWorkDocument, workflow: WorkflowDocument, tasks: Iterable[TaskDirectiveDocument]
) -> dict[TaskId, int]:
    """Return the number in the job of each task of a work's workflow. The task's input queue tells the number."""
    aliases = {queue.mqid: queue.alias for queue in workflow.queues}
    numbers = {name_hosts_queue(place): work.first + place for place in range(work.last - work.first + 1)}
    return {task.task_id: numbers[aliases[task.input_queues[0]]] for task in tasks}
