"""Turn a taskforce into a submit description: first typed fields, then submit commands from those fields alone. (core)

User texts enter a submit command in three places, and TMS checks each: the requirements (`schemas.rules.requirements`),
the names of input files, and the pilot's tag. Images, arguments, environments and tokens travel in files instead
(`pilot_files.py`). Every other value is a number, an id of a known form, or a setting of the operator.

The cluster is a paused factory: HTCondor takes it in one transaction for any number of workers, and makes no job before
the release. Source: HTCondor manual, "condor_submit", late materialization; contract 7.3.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath

from schemas.events import TaskforceStart
from schemas.ids import TaskforceUuid
from schemas.pilot.job_names import PRIVATE_FILES
from schemas.rules.requirements import BadRequirements, check_requirements
from schemas.rules.sizes import print_condor_size
from schemas.rules.submitters import submitter_name
from schemas.rules.worker_paths import input_file_problem
from tms.errors import Unsubmittable
from tms.jobs.restarts import avoid_commands, avoid_requirement, exit_commands, vacate_command

MIB = 1024 * 1024

#: No value of a submit description may contain these: `$` starts an expansion, a line end starts another command.
_ENDS_A_LINE = frozenset("\r\n\0")
_FORBIDDEN = _ENDS_A_LINE | {"$"}
_TAG = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


#: The requirements of a job of a container pool, unless the operator sets other ones. Contract 7.3.
CONTAINER_REQUIREMENTS = (
    "ifThenElse(!isUndefined(HAS_SINGULARITY), HAS_SINGULARITY, HasSingularity)"
    " && HAS_CVMFS_icecube_opensciencegrid_org && (HasUserNamespaces =?= true)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerPool:
    """A pool whose jobs are containers: the pilot's image without its tag, and the sites to exclude."""

    image: str
    excluded_glidein_sites: tuple[str, ...] = ()
    excluded_osg_sites: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolProfile:
    """The operator's settings for the jobs of a pool.

    If `container` is None, the jobs run in no container, and `pilot_command` must exist on every worker.
    """

    pilot_command: tuple[str, ...]
    pilot_files: tuple[str, ...] = ()
    worker_path: str = "/usr/bin:/bin"
    requirements: str = ""
    container: ContainerPool | None = None
    #: How many idle jobs of one cluster HTCondor keeps ready. Without this command a cluster is not a factory.
    max_idle: int = 1000
    #: A cluster that WMS never removes ends by itself at `max_age_s` (G6). A job of it ends after `max_held_s` on hold.
    max_age_s: int = 14 * 24 * 3600
    max_held_s: int = 3600
    #: If a job's machine does not answer for this time, HTCondor starts the job elsewhere.
    lease_s: int = 300
    #: HTCondor's accounting group for all jobs; empty for none. In it, each user is a separate submitter.
    accounting_group: str = ""


# Without slots: `cached_property` keeps its value in the object's dictionary.
@dataclass(frozen=True, kw_only=True)
class Submission:
    """A cluster before its submit: all that HTCondor or the local pool needs."""

    taskforce_uuid: TaskforceUuid
    n_workers: int
    command: tuple[str, ...]
    container_image: str
    environment: Mapping[str, str]
    input_files: tuple[str, ...]
    #: The directory for the workers' stdout and stderr: `<directory>/cluster-<id>/<proc>.out`. If empty, the pool drops
    #: them.
    output_directory: str
    job_event_log: str
    requirements: str
    n_cores: int
    memory_bytes: int
    disk_bytes: int
    priority: int
    max_idle: int
    max_runtime_s: int
    max_age_s: int
    max_held_s: int
    lease_s: int = 300
    #: Whether the task has no input queue, so that it runs once.
    is_source: bool = False
    #: HTCondor's submitter; if empty, the account of TMS. HTCondor compares priorities only among one submitter's jobs.
    submitter: str = ""
    accounting_group: str = ""

    @cached_property
    def commands(self) -> Mapping[str, str | int]:
        """Return the submit commands. The first call computes them.

        Raises:
            Unsubmittable: a value contains a `$` or a line end.
        """
        return build_commands(self)


def build_submission(
    order: TaskforceStart, pool: PoolProfile, *, directory: str, pilot_files: Sequence[str], input_files: Sequence[str]
) -> Submission:
    """Return the cluster that `order` asks for. `directory` holds its files.

    `input_files` are the checked copies of the user's files.

    Raises:
        Unsubmittable: `order` asks for something that TMS cannot write into a submit description safely.
    """
    worker = order.worker_config
    image = ""
    if pool.container:
        if not _TAG.fullmatch(order.pilot_config.tag):
            raise Unsubmittable("pilot_config.tag: is not a tag of an image; a tag is like '1.4.2'")
        image = f"{pool.container.image}:{order.pilot_config.tag}"
    files = (*pilot_files, *pool.pilot_files, *input_files)
    names = [PurePosixPath(check_submit_path(file)).name for file in files]
    if len(set(names)) != len(names):
        raise Unsubmittable(
            "pilot_config.input_files: two files have the same name, but all come into one directory of the worker"
        )
    return Submission(
        taskforce_uuid=order.taskforce_uuid,
        n_workers=order.n_workers,
        command=() if pool.container else pool.pilot_command,
        container_image=image,
        environment={"PATH": pool.worker_path},
        input_files=files,
        output_directory=check_submit_path(directory) if worker.do_transfer_worker_stdouterr else "",
        job_event_log=f"{check_submit_path(directory)}/job.log",
        requirements=_join_requirements(pool, worker.condor_requirements),
        n_cores=worker.n_cores,
        memory_bytes=worker.memory_bytes,
        disk_bytes=worker.disk_bytes,
        priority=worker.priority,
        max_idle=pool.max_idle,
        max_runtime_s=worker.max_worker_runtime,
        max_age_s=pool.max_age_s,
        max_held_s=pool.max_held_s,
        lease_s=pool.lease_s,
        is_source=not order.task.input_queues,
        submitter=submitter_name(order.owner),
        accounting_group=pool.accounting_group,
    )


def build_commands(cluster: Submission) -> dict[str, str | int]:
    """Return `cluster` as submit commands: name -> value. The values have no macros of HTCondor except `$(ProcId)`,
    `$(ClusterId)` and `$(DOLLAR)`.

    Raises:
        Unsubmittable: a value contains a `$` or a line end.
    """
    plain: dict[str, str | int] = {
        "log": cluster.job_event_log,
        "transfer_input_files": ",".join(map(check_submit_path, cluster.input_files)),
        # Encrypt these transfers even if the pool's settings leave file transfers unencrypted.
        "encrypt_input_files": ",".join(f"*{name}" for name in PRIVATE_FILES),
        "should_transfer_files": "YES",
        "request_cpus": cluster.n_cores,
        "request_memory": print_condor_size(cluster.memory_bytes, "MB"),
        "request_disk": print_condor_size(cluster.disk_bytes, "KB"),
        "max_idle": cluster.max_idle,
        "periodic_remove": _periodic_remove(cluster),
        **exit_commands(is_source=cluster.is_source, max_runtime_s=cluster.max_runtime_s),
        **vacate_command(cluster.max_runtime_s),
        **avoid_commands(),
        "job_lease_duration": cluster.lease_s,
        "+JobMaterializePaused": 1,
        "+WantIOProxy": "True",
        "+EWMSTaskforceUUID": f'"{cluster.taskforce_uuid}"',
    }
    if cluster.submitter:
        plain["accounting_group_user"] = cluster.submitter
    if cluster.accounting_group:
        plain["accounting_group"] = cluster.accounting_group
    if cluster.container_image:
        plain |= {
            "universe": "container",
            "container_image": cluster.container_image,
            "transfer_container": "False",
            "+should_transfer_container": '"no"',
            "+FileSystemDomain": '"blah"',
            "+OriginalTime": cluster.max_runtime_s,
            "transfer_output_files": '""',
            "when_to_transfer_output": "ON_EXIT_OR_EVICT",
            "transfer_executable": "False",
            "job_ad_information_attrs": "EWMSTaskforceUUID",
        }
    else:
        plain |= {
            "executable": cluster.command[0],
            "arguments": quote_words(cluster.command[1:]),
            "environment": quote_words(f"{name}={value}" for name, value in cluster.environment.items()),
            "transfer_executable": "False",
            "transfer_output_files": '""',
            "when_to_transfer_output": "ON_EXIT",
        }
    for name, value in plain.items():
        if isinstance(value, str) and not _FORBIDDEN.isdisjoint(value):
            raise Unsubmittable(f"{name}: must be one line without '$'")
    if not _ENDS_A_LINE.isdisjoint(cluster.requirements):
        raise Unsubmittable("requirements: must be one line")
    requirements = f"{cluster.requirements} && " if cluster.requirements else ""
    # HTCondor turns `$(DOLLAR)` into a `$` that starts no macro. Source: HTCondor manual, "Submit File Macros".
    plain["requirements"] = requirements.replace("$", "$(DOLLAR)") + f"({avoid_requirement()})"
    # HTCondor must replace macros in these values, so add them after the check of the others.
    plain["priority"] = priority_ramp(cluster.priority, cluster.n_workers)
    if cluster.output_directory:
        stem = f"{check_submit_path(cluster.output_directory)}/cluster-$(ClusterId)/$(ProcId)"
        plain |= {"output": f"{stem}.out", "error": f"{stem}.err"}
    return plain


def priority_ramp(priority: int, n_workers: int) -> str:
    """Return an expression for the job priority: `priority` for the first job, falling evenly to half of it for the
    last job.

    So several taskforces share a pool, and the first taskforce does not take the whole pool. Contract 7.3.
    """
    if n_workers <= 1 or priority <= 1:
        return str(priority)
    return f"{priority} - (($(ProcId) * {priority // 2}) / {n_workers - 1})"


def quote_words(words: Iterable[str]) -> str:
    """Return `words` quoted in HTCondor's new syntax, which keeps every word unchanged."""
    return '"' + " ".join("'" + w.replace("'", "''").replace('"', '""') + "'" for w in words) + '"'


def _periodic_remove(cluster: Submission) -> str:
    return (
        f"(JobStatus == 5 && HoldReasonCode =!= 1 && time() - EnteredCurrentStatus > {cluster.max_held_s})"
        f" || (time() - QDate > {cluster.max_age_s})"
    )


def _join_requirements(pool: PoolProfile, users: str) -> str:
    parts = [pool.requirements] if pool.requirements else []
    if pool.container:
        parts += [f"GLIDEIN_Site =!= {_quote_string(site)}" for site in pool.container.excluded_glidein_sites]
        parts += [f"OSG_SITE_NAME =!= {_quote_string(site)}" for site in pool.container.excluded_osg_sites]
    if any("$" in part for part in parts):
        raise Unsubmittable("requirements: the pool's own (EWMS_POOL_REQUIREMENTS) must be without '$'")
    if users.strip():
        try:
            parts.append(check_requirements(users))
        except BadRequirements as error:
            raise Unsubmittable(f"condor_requirements: {error}") from error
    return " && ".join(f"({part})" for part in parts)


def _quote_string(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def check_submit_path(path: str) -> str:
    if problem := input_file_problem(path):
        rule, remedy = problem.rsplit("; ", 1)
        raise Unsubmittable(f"input files: {rule}", hint=remedy)
    return path
