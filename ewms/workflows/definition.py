"""A workflow as a user writes it, and the request that it becomes. (core)

    Workflow(name="reco", public=["photons", "results"], tasks=[
        Task(image="...", args="reco {{INFILE}} {{OUTFILE}}", inputs=["photons"], outputs=["results"],
             n_workers=100, memory="2G", disk="1G", max_runtime="1h")])

Queues that are not public join tasks to each other; a queue exists because a task names it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ewms.durations import Duration, seconds
from schemas.rules.complaints import unused_public


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
        """Return the task as the contract's request has it.

        Raises:
            ValueError: no cluster location is named, and there is no default, or a text stands for a list of names.
        """
        for name in ("inputs", "outputs", "clusters", "input_files"):
            _check_names(name, getattr(self, name))
        clusters = list(self.clusters or default_clusters)
        if not clusters:
            raise ValueError("a task names no cluster: give `clusters=[...]`, or set EWMS_CLUSTER")
        pilot: dict[str, Any] = {}
        if self.pilot:
            pilot["environment"] = dict(self.pilot)
        if self.input_files:
            pilot["input_files"] = list(self.input_files)
        return {
            "cluster_locations": clusters,
            "task_image": self.image,
            "task_args": self.args,
            "task_env": dict(self.env),
            "init_image": self.init_image,
            "init_args": self.init_args,
            "init_env": dict(self.init_env),
            "input_queue_aliases": list(self.inputs),
            "output_queue_aliases": list(self.outputs),
            "n_workers": self.n_workers,
            "worker_config": {
                "do_transfer_worker_stdouterr": self.keep_worker_logs,
                "max_worker_runtime": max(1, round(seconds(self.max_runtime))),
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
        """Return the body of `POST /workflows`.

        Raises:
            ValueError: it cannot work: no task, a public queue that no task uses, or a text for a list of names.
        """
        if not self.tasks:
            raise ValueError("a workflow needs at least one task")
        _check_names("public", self.public)
        for task in self.tasks:
            _check_names("inputs", task.inputs)
            _check_names("outputs", task.outputs)
        _check_public(self.public, [alias for task in self.tasks for alias in (*task.inputs, *task.outputs)])
        return {
            "public_queue_aliases": list(self.public),
            "tasks": [task.request(default_clusters) for task in self.tasks],
            "priority": self.priority,
        }


def with_defaults(request: Any, default_clusters: Sequence[str]) -> Any:
    """Return the JSON value `request` with what a `Task` and a `Workflow` have where they are not told otherwise.

    What is there stays as it is, right or wrong; the server says what is wrong.

    Raises:
        ValueError: there is no task, a task names no cluster and there is no default, or no task uses a public queue.
    """
    if not isinstance(request, Mapping):
        return request
    tasks = request.get("tasks")
    if not isinstance(tasks, list):
        return request
    if not tasks:
        raise ValueError("'tasks': is empty; write at least one task")
    filled = [_task_with_defaults(n, task, default_clusters) for n, task in enumerate(tasks)]
    public = request.get("public_queue_aliases", [])
    named = [
        task[f"{way}_queue_aliases"] for task in filled if isinstance(task, Mapping) for way in ("input", "output")
    ]
    lists = [names for names in named if isinstance(names, list)]
    if isinstance(public, list) and len(lists) == len(named):
        _check_public(public, [alias for names in lists for alias in names])
    return {"public_queue_aliases": public, **request, "tasks": filled}


def _task_with_defaults(n: int, task: Any, default_clusters: Sequence[str]) -> Any:
    if not isinstance(task, Mapping):
        return task
    if "cluster_locations" not in task and not default_clusters:
        raise ValueError(f"'tasks.{n}.cluster_locations': name a cluster here, or set EWMS_CLUSTER")
    defaults = Task(image="", args="", inputs=()).request(default_clusters or [""])
    del defaults["task_image"]
    whole = {**defaults, **task}
    config = task.get("worker_config", {})
    if isinstance(config, Mapping):
        whole["worker_config"] = {**defaults["worker_config"], **config}
    return whole


def _check_names(field_name: str, names: Any) -> None:
    """Return unless `names` is a text: Python takes a text for the list of its letters.

    Raises:
        ValueError: it is a text.
    """
    if isinstance(names, str):
        raise ValueError(f"'{field_name}': must be a list of names, and is the text {names!r}; write [{names!r}]")


def _check_public(public: Sequence[Any], used: Sequence[Any]) -> None:
    if unused := [alias for alias in public if alias not in used]:
        raise ValueError(str(unused_public(unused, {str(alias) for alias in used})))


def describe_kind(value: Any) -> str:
    """Return what kind of JSON value `value` is, in the words of JSON where it is one of those."""
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "a text"
        case list() | tuple():
            return "a list"
        case _:
            return f"a {type(value).__name__}"


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
