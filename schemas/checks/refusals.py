"""Find what the gateway refuses in a request that fits the schema: limits, names of images or directories. (core)

The client and the command make the same checks before they send anything. Only the gateway knows its clusters, so the
caller passes the names of clusters, or None if the caller does not know them.
"""

from collections.abc import Callable, Iterator, Mapping

from schemas.api.workflows.requests import TaskRequest, WorkflowRequest
from schemas.fleet.objects import PilotConfig, WorkerConfig
from schemas.pilot.names import OF_FIELDS, asked_platform
from schemas.pilot.options import Platform
from schemas.pilot.variables import full_name
from schemas.rules.complaints import Complaint, find_nearest, list_names
from schemas.rules.limits import (
    MAX_ALIAS_BYTES,
    MAX_CONFIGURATION_BYTES,
    MAX_TASK_QUEUES,
    MAX_TASKFORCES,
    MAX_WORKFLOW_QUEUES,
    find_program_problems,
)
from schemas.rules.requirements import BadRequirements, check_requirements
from schemas.rules.worker_paths import EXTERNAL_DIRECTORIES, directory_problem, image_problem, split_directories

#: Variable -> field of the task. The pilot's environment must not set a variable for which the task has a field.
RESERVED_ENVIRONMENT = {full_name(name): name.lower().removesuffix("_json") for name in OF_FIELDS}


def find_refusals(
    request: WorkflowRequest, *, clusters: Mapping[str, str] | None, max_queues: int = MAX_TASK_QUEUES
) -> list[Complaint]:
    """Return all reasons why the gateway refuses `request`, task by task.

    `clusters` maps the names of all locations to the location that each is an alias of, or ""; None if unknown. A task
    may have at most `max_queues` queues.
    """
    found: list[Complaint] = []
    for n, task in enumerate(request.tasks):
        where = f"tasks.{n}"
        found += _refuse_reserved(n, task)
        found += _refuse_paths(where, task)
        found += _refuse_limits(where, task)
        found += _refuse_queues(where, task, max_queues)
        found += _refuse_requirements(where, task)
        found += _refuse_clusters(where, task, clusters)
    return [*found, *_refuse_totals(request)]


def count_configuration_bytes(worker: WorkerConfig, pilot: PilotConfig) -> int:
    """Return how many bytes a taskforce's two configurations have together."""
    return len(worker.model_dump_json().encode()) + len(pilot.model_dump_json().encode())


def _refuse_reserved(n: int, task: TaskRequest) -> Iterator[Complaint]:
    for name, field in RESERVED_ENVIRONMENT.items():
        if name in task.pilot_config.environment:
            # The contract fixes this sentence, the form of the index included.
            phrase = (
                f"tasks[{n}].pilot_config.environment cannot include the attribute '{name}'. "
                "Use the top-level equivalent attribute instead."
            )
            where = f"tasks.{n}.pilot_config.environment.{name}"
            rule = "must not set what a field of the task sets"
            yield _build_refusal(where, rule, f"write it into '{field}' of the task", phrase)


def _refuse_paths(where: str, task: TaskRequest) -> Iterator[Complaint]:
    """Yield a complaint for each name of an image or of a worker's directory that all pools would refuse."""
    environment = task.pilot_config.environment
    named: list[tuple[str, str, Callable[[str], str]]] = []
    if asked_platform(task.task_image, environment) != Platform.NONE:
        named = [("task_image", task.task_image, image_problem), ("init_image", task.init_image, image_problem)]
    directories = split_directories(environment.get(EXTERNAL_DIRECTORIES, ""))
    named += [(f"pilot_config.environment.{EXTERNAL_DIRECTORIES}", path, directory_problem) for path in directories]
    for field, path, find_problem in named:
        if problem := find_problem(path):
            yield _split_problem(f"{where}.{field}", problem)


def _refuse_limits(where: str, task: TaskRequest) -> Iterator[Complaint]:
    """Yield a complaint for each text that is too long for a queue's address or for a process's arguments."""
    for field in ("input_queue_aliases", "output_queue_aliases"):
        if any(len(alias.encode()) > MAX_ALIAS_BYTES for alias in getattr(task, field)):
            rule = f"must have at most {MAX_ALIAS_BYTES} bytes in each alias"
            yield _build_refusal(f"{where}.{field}", rule, "choose a shorter one")
    for kind, arguments, environment in (
        ("task", task.task_args, task.task_env),
        ("init", task.init_args, task.init_env),
    ):
        for part, problem in find_program_problems(arguments, environment):
            field = f"{kind}_args" if part == "args" else f"{kind}_env.{part}"
            yield _split_problem(f"{where}.{field}", problem)


def _refuse_queues(where: str, task: TaskRequest, max_queues: int) -> Iterator[Complaint]:
    if not task.input_queue_aliases and not task.output_queue_aliases:
        phrase = f"'{where}': needs an alias in 'input_queue_aliases' or in 'output_queue_aliases'"
        rule = "needs an alias in 'input_queue_aliases' or in 'output_queue_aliases'"
        yield _build_refusal(where, rule, 'name a queue, for example "input_queue_aliases": ["photons"]', phrase)
    n_queues = len(task.input_queue_aliases) + len(task.output_queue_aliases)
    if n_queues > max_queues:
        rule = (
            f"must have at most {max_queues} items together with 'output_queue_aliases', because a pilot has one token "
            "for all of them"
        )
        yield _build_refusal(f"{where}.input_queue_aliases", rule, "split the task")


def _refuse_requirements(where: str, task: TaskRequest) -> Iterator[Complaint]:
    try:
        # The model does not check this, since it also reads stored objects: these must stay readable under new rules.
        check_requirements(task.worker_config.condor_requirements)
    except BadRequirements as error:
        where = f"{where}.worker_config.condor_requirements"
        remedy = "write an expression of HTCondor, such as 'OpSysAndVer == \"AlmaLinux9\" && HasSingularity'"
        yield _build_refusal(where, str(error), remedy, f"'{where}': {error}")


def _refuse_clusters(where: str, task: TaskRequest, clusters: Mapping[str, str] | None) -> Iterator[Complaint]:
    if clusters is None:
        return
    for location in task.cluster_locations:
        if location not in clusters:
            field = f"{where}.cluster_locations"
            # A request may use an alias, but no text offers one: aliases are there for existing requests.
            offered = [name for name, target in clusters.items() if not target]
            meant = find_nearest(location, offered)
            names = f"cluster locations: {list_names(offered)}; all of them: ewms cluster list"
            yield _build_refusal(
                field,
                f"EWMS has no cluster {location!r}",
                f"did you mean {meant!r}? {names}" if meant else names,
                f"'{field}': condor cluster location not found: {location}",
            )


def _refuse_totals(request: WorkflowRequest) -> Iterator[Complaint]:
    """Yield a complaint for each limit that all tasks exceed together."""
    n_taskforces = sum(len(task.cluster_locations) for task in request.tasks)
    if n_taskforces > MAX_TASKFORCES:
        rule = f"must have at most {MAX_TASKFORCES} tasks times cluster locations, and has {n_taskforces}"
        yield _build_refusal("tasks", rule, "make several workflows of it")
    queues = {alias for task in request.tasks for alias in (*task.input_queue_aliases, *task.output_queue_aliases)}
    if len(queues) > MAX_WORKFLOW_QUEUES:
        rule = f"must have at most {MAX_WORKFLOW_QUEUES} queues in all, and has {len(queues)}"
        yield _build_refusal("tasks", rule, "make several workflows of it")
    n_bytes = sum(
        count_configuration_bytes(task.worker_config, task.pilot_config) * len(task.cluster_locations)
        for task in request.tasks
    )
    if n_bytes > MAX_CONFIGURATION_BYTES:
        rule = (
            f"must have at most {MAX_CONFIGURATION_BYTES} bytes of 'worker_config' and 'pilot_config', once for each "
            f"cluster location, and has {n_bytes}"
        )
        yield _build_refusal("tasks", rule, "put the data into a file that pilots can reach")


def _build_refusal(where: str, rule: str, remedy: str, phrase: str = "") -> Complaint:
    return Complaint(where, rule, remedy, is_refused=True, phrase=phrase)


def _split_problem(where: str, problem: str) -> Complaint:
    rule, _, remedy = problem.rpartition("; ")
    return _build_refusal(where, rule, remedy)
