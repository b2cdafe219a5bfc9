"""A workflow as a user writes it, and the request that it becomes. (core)

    Workflow(name="reco", public=["photons", "results"], tasks=[
        Task(image="...", args="reco {{INFILE}} {{OUTFILE}}", inputs=["photons"], outputs=["results"],
             n_workers=100, memory="2G", disk="1G", max_runtime="1h")])

Queues that are not public join tasks to each other; a queue exists because a task names it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ewms.durations import Duration, seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One kind of work: an image, a command line, the queues it reads and writes, and what its workers need."""

    image: str
    args: str
    inputs: Sequence[str]
    outputs: Sequence[str] = ()
    #: Where it may run; one taskforce each. Empty: the server's usual place, as far as this machine knows it.
    clusters: Sequence[str] = ()
    n_workers: int | None = None
    memory: str | int = "512M"
    disk: str | int = "1G"
    cores: int = 1
    max_runtime: Duration = "1h"
    env: Mapping[str, str] = field(default_factory=dict)
    init_image: str = ""
    init_args: str = ""
    init_env: Mapping[str, str] = field(default_factory=dict)
    #: Variables of the pilot itself, such as EWMS_PILOT_INFILE_EXT.
    pilot: Mapping[str, str | int | list[str]] = field(default_factory=dict)
    input_files: Sequence[str] = ()
    requirements: str = ""
    #: The order among this user's own jobs in HTCondor; not the workflow's priority.
    job_priority: int = 50
    keep_worker_logs: bool = False

    def request(self, default_clusters: Sequence[str]) -> dict[str, Any]:
        """Return the task as the contract's request has it, right or wrong; `checking` finds what is wrong."""
        pilot: dict[str, Any] = {}
        if self.pilot:
            pilot["environment"] = _mapped(self.pilot)
        if self.input_files:
            pilot["input_files"] = _listed(self.input_files)
        return {
            "cluster_locations": _listed(self.clusters or default_clusters),
            "task_image": self.image,
            "task_args": self.args,
            "task_env": _mapped(self.env),
            "init_image": self.init_image,
            "init_args": self.init_args,
            "init_env": _mapped(self.init_env),
            "input_queue_aliases": _listed(self.inputs),
            "output_queue_aliases": _listed(self.outputs),
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
    """Tasks joined by queues. `name` is the user's own word for it and stays on this side."""

    tasks: Sequence[Task]
    #: Aliases of the queues that the user publishes to or consumes from.
    public: Sequence[str] = ()
    priority: int = 50
    name: str = ""

    def request(self, default_clusters: Sequence[str] = ()) -> dict[str, Any]:
        """Return the body of `POST /workflows`, right or wrong: `ewms.workflows.checking` says what is wrong."""
        tasks = _listed(self.tasks)
        if isinstance(tasks, list):
            tasks = [task.request(default_clusters) if isinstance(task, Task) else task for task in tasks]
        return {
            "public_queue_aliases": _listed(self.public),
            "tasks": tasks,
            "priority": self.priority,
        }


def with_defaults(request: Any, default_clusters: Sequence[str]) -> Any:
    """Return the JSON value `request` with what a `Task` and a `Workflow` have where they are not told otherwise.

    What is there stays as it is, right or wrong; `ewms.workflows.checking` says what is wrong.
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


def _listed(names: Any) -> Any:
    """Return `names` as a list; what is none stays as it is: the check of the request names it."""
    return list(names) if isinstance(names, Iterable) and not isinstance(names, str | bytes | Mapping) else names


def _mapped(values: Any) -> Any:
    return dict(values) if isinstance(values, Mapping) else values


def _whole_seconds(duration: Any) -> Any:
    """Return a duration in whole seconds; what is none stays as it is."""
    try:
        return max(1, round(seconds(duration)))
    except (TypeError, ValueError):
        return duration


def with_settings(request: Any, settings: Mapping[str, Any]) -> Any:
    """Return the JSON value `request` with each `settings` path changed: `tasks.0.n_workers` -> 8.

    A path may add a key to an object, but not an element to a list.

    Raises:
        ValueError: a path leads nowhere.
    """
    for path, value in settings.items():
        request = _with(request, path.split("."), value, path)
    return request


def _with(node: Any, keys: Sequence[str], value: Any, path: str) -> Any:
    if not keys:
        return value
    key, *rest = keys
    if isinstance(node, Mapping):
        return {**node, key: _with(node.get(key, {}), rest, value, path)}
    if isinstance(node, list) and key.isdecimal() and int(key) < len(node):
        index = int(key)
        return [*node[:index], _with(node[index], rest, value, path), *node[index + 1 :]]
    if isinstance(node, list) and key == "*":
        return [_with(child, rest, value, path) for child in node]
    raise ValueError(f"--set {path}: there is no {key!r} here")
