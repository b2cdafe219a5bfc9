"""A workflow as a user writes it in Python, and the request that is made from it. (core)

    Workflow(name="reco", public=["photons", "results"], tasks=[
        Task(image="...", args="reco {{INFILE}} {{OUTFILE}}", inputs=["photons"], outputs=["results"],
             n_workers=100, memory="2G", disk="1G", max_runtime="1h")])

A queue exists because a task names it. Public queues are the user's ends; all others join tasks to each other.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ewms.durations import Duration, parse_seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One kind of work: an image, a command line, the queues it reads and writes, and what its workers need."""

    #: The container image, for example "docker://python:3.12", or a path that workers can read.
    image: str
    #: The command line. The pilot puts the paths of the event and of the result in: "reco {{INFILE}} {{OUTFILE}}".
    args: str
    #: Aliases of the queues that the task takes events from.
    inputs: Sequence[str]
    #: Aliases of the queues that the task publishes results to.
    outputs: Sequence[str] = ()
    #: The places where the task may run (`Client.clusters` lists them); one taskforce each. Empty: the server's usual
    #: place, if this machine knows it.
    clusters: Sequence[str] = ()
    #: How many workers each taskforce gets; None: the place's own default.
    n_workers: int | None = None
    #: Memory and disk of one worker: a number of bytes, or a text with a unit.
    memory: str | int = "512M"
    disk: str | int = "1G"
    #: CPU cores of one worker.
    cores: int = 1
    #: How long one worker may run: seconds, or a text such as "90m".
    max_runtime: Duration = "1h"
    #: Environment variables of the task.
    env: Mapping[str, str] = field(default_factory=dict)
    #: The container that a worker runs once, before its first event; "": none.
    init_image: str = ""
    init_args: str = ""
    init_env: Mapping[str, str] = field(default_factory=dict)
    #: Variables of the pilot itself: `{"EWMS_PILOT_INFILE_EXT": ".json"}` for events that are JSON.
    pilot: Mapping[str, str | int | list[str]] = field(default_factory=dict)
    #: Paths of files that HTCondor brings to each worker.
    input_files: Sequence[str] = ()
    #: A ClassAd expression that a worker's machine must meet, for example "HasSingularity".
    requirements: str = ""
    #: The order among this user's own jobs in HTCondor; higher runs first. It is not the workflow's priority.
    job_priority: int = 50
    #: Whether EWMS keeps the workers' stdout and stderr, for `Client.logs`.
    keep_worker_logs: bool = False

    def request(self, default_clusters: Sequence[str]) -> dict[str, Any]:
        """Return the task as the JSON of the contract's request. `ewms.workflows.checking` looks for faults in it."""
        pilot: dict[str, Any] = {}
        if self.pilot:
            pilot["environment"] = _as_dict(self.pilot)
        if self.input_files:
            pilot["input_files"] = _as_list(self.input_files)
        return {
            "cluster_locations": _as_list(self.clusters or default_clusters),
            "task_image": self.image,
            "task_args": self.args,
            "task_env": _as_dict(self.env),
            "init_image": self.init_image,
            "init_args": self.init_args,
            "init_env": _as_dict(self.init_env),
            "input_queue_aliases": _as_list(self.inputs),
            "output_queue_aliases": _as_list(self.outputs),
            "n_workers": self.n_workers,
            "worker_config": {
                "do_transfer_worker_stdouterr": self.keep_worker_logs,
                "max_worker_runtime": _whole_seconds(self.max_runtime),
                "n_cores": self.cores,
                "priority": self.job_priority,
                "worker_disk": self.disk,
                "worker_memory": self.memory,
                "condor_requirements": self.requirements,
            },
            "pilot_config": pilot,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Workflow:
    """Tasks that are joined by queues."""

    tasks: Sequence[Task]
    #: Aliases of the queues that the user publishes to or consumes from.
    public: Sequence[str] = ()
    #: The order among taskforces that wait for a start; the server caps it at 100.
    priority: int = 50
    #: The user's own name for the workflow, for displays on this machine; the server never sees it.
    name: str = ""

    def request(self, default_clusters: Sequence[str] = ()) -> dict[str, Any]:
        """Return the body of `POST /workflows`. `ewms.workflows.checking` looks for faults in it."""
        tasks = _as_list(self.tasks)
        if isinstance(tasks, list):
            tasks = [task.request(default_clusters) if isinstance(task, Task) else task for task in tasks]
        return {
            "public_queue_aliases": _as_list(self.public),
            "tasks": tasks,
            "priority": self.priority,
        }


def fill_defaults(request: Any, default_clusters: Sequence[str]) -> Any:
    """Return the JSON value `request`, with the defaults of `Task` and `Workflow` in place of the missing fields.

    Fields that are there stay as they are, even wrong ones; `ewms.workflows.checking` looks for faults.
    """
    if not isinstance(request, Mapping):
        return request
    tasks = request.get("tasks")
    if isinstance(tasks, list):
        request = {**request, "tasks": [_task_with_defaults(task, default_clusters) for task in tasks]}
    return {"public_queue_aliases": [], **request}


def _task_with_defaults(task: Any, default_clusters: Sequence[str]) -> Any:
    if not isinstance(task, Mapping):
        return task
    defaults = Task(image="", args="", inputs=()).request(default_clusters)
    del defaults["task_image"]
    if not default_clusters:
        del defaults["cluster_locations"]
    whole = {**defaults, **task}
    config = task.get("worker_config", {})
    if isinstance(config, Mapping):
        whole["worker_config"] = {**defaults["worker_config"], **config}
    return whole


def _as_list(names: Any) -> Any:
    """Return `names` as a list. Return any other value unchanged: the request's check will complain."""
    return list(names) if isinstance(names, Iterable) and not isinstance(names, str | bytes | Mapping) else names


def _as_dict(values: Any) -> Any:
    return dict(values) if isinstance(values, Mapping) else values


def _whole_seconds(duration: Any) -> Any:
    """Return a duration in whole seconds. Any other value stays unchanged."""
    try:
        return max(1, round(parse_seconds(duration)))
    except (TypeError, ValueError):
        return duration


def apply_settings(request: Any, settings: Mapping[str, Any]) -> Any:
    """Return the JSON value `request` with each path in `settings` set to its value: `{"tasks.0.n_workers": 8}`.

    `*` stands for every element of a list. A path may add a key to an object, but no element to a list.

    Raises:
        ValueError: a path leads nowhere.
    """
    for path, value in settings.items():
        request = _replace_at(request, path.split("."), value, path)
    return request


def _replace_at(node: Any, keys: Sequence[str], value: Any, path: str) -> Any:
    if not keys:
        return value
    key, *rest = keys
    if isinstance(node, Mapping):
        return {**node, key: _replace_at(node.get(key, {}), rest, value, path)}
    if isinstance(node, list) and key.isdecimal() and int(key) < len(node):
        index = int(key)
        return [*node[:index], _replace_at(node[index], rest, value, path), *node[index + 1 :]]
    if isinstance(node, list) and key == "*":
        return [_replace_at(child, rest, value, path) for child in node]
    raise ValueError(f"--set {path}: there is no {key!r} here")
