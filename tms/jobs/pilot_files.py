"""Write the files that travel with each job: the pilot's task, the token for its queues, and its secrets. (core)

    ewms_pilot_task.json   {"environment": {"EWMS_PILOT_TASK_IMAGE": "…", …}}   nothing secret
    ewms_pilot_token       one token for all queues of the taskforce            mode 0600; no other file holds the token
    ewms_pilot_secrets     {"db-password": "…"}, if the task has secrets        mode 0600; no other file holds a value

Every user of the pool can read a submit description, an environment and a command line. HTCondor also expands macros in
all three. HTCondor transfers a file unchanged. Source: contract 7.2 and 8.2, docs/reference/rights.md.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import PurePosixPath

from schemas.attempts.trace_context import ENV_TRACE, read_traceparent
from schemas.events import TaskforceStart
from schemas.pilot.job_names import TOKEN_FILE
from schemas.pilot.names import OF_OPERATORS, asked_platform
from schemas.pilot.options import PLATFORM, read_secret_names
from schemas.pilot.pilot_wire import (
    INCOMING,
    OUTGOING,
    PilotJob,
    PilotProgram,
    write_queues,
    write_variables,
    write_wire,
)
from schemas.pilot.variables import PREFIX, Variables, full_name
from schemas.questions.queues import GrantAnswer
from schemas.questions.secrets import SecretsAnswer
from schemas.rules.worker_paths import (
    EXTERNAL_DIRECTORIES,
    directory_problem,
    image_problem,
    is_within,
    split_directories,
)
from tms.errors import Unsubmittable

_EXTERNAL_ROOTS = f"{PREFIX}EXTERNAL_ROOTS"
_IMAGE_ROOTS = f"{PREFIX}IMAGE_ROOTS"
_PROTECTED = f"{PREFIX}PROTECTED_DIRECTORIES"

_OPERATORS_ONLY = frozenset(map(full_name, OF_OPERATORS))

#: The names of the task's secrets.
_SECRETS = f"{PREFIX}SECRETS"

#: The separators at which the pilot splits a list. It splits all other lists at `;`.
_SEPARATORS: Mapping[str, str] = {EXTERNAL_DIRECTORIES: ",", f"{PREFIX}OKAY_ERRORS": " ", _SECRETS: ","}

#: With one of these, a user or operator decides what a pilot does after an error.
_STOPPING = ("STOP_LISTENING_ON_TASK_ERROR", "QUARANTINE_TIME", "OKAY_ERRORS")

#: If three different events fail in a row on a worker, the worker is bad. A bad event fails alone (ruling 7).
MAX_FAILURES_IN_A_ROW = 3
#: How many seconds a bad worker keeps its slot without taking events. If it left at once, the next job would get the
#: bad slot.
QUARANTINE_S = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class PilotProfile:
    """The operator's settings for pilots: what a task may request, and variables for all pilots."""

    allowed_platforms: frozenset[str]
    #: The platform of tasks that name none. If empty, the pilot chooses.
    platform: str = ""
    apptainer: str = ""
    #: A task may see directories of the worker below these, if it asks for them. If empty, it may see none.
    external_roots: tuple[str, ...] = ()
    #: An image that is a file or directory must lie below these. If empty, it may lie anywhere outside of the worker's
    #: system.
    image_roots: tuple[str, ...] = ()
    #: EWMS's own directories. Neither an image nor a directory that a task asks for may lie in one or contain one.
    protected_directories: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)


def pilot_environment(
    order: TaskforceStart, grant: GrantAnswer, profile: PilotProfile, *, token_source: str
) -> dict[str, str]:
    """Return the environment variables for the pilots of `order`. Running pilots read a renewed token from
    `token_source`.

    The user's variables override the operator's, and the operator's override the defaults. The variables that EWMS
    itself must set override all others.

    Raises:
        Unsubmittable: the task asks for a platform, an image or a directory that is not allowed here, sets a variable
            that only an operator may set, or has NUL in a variable.
    """
    users = {name: _join_value(name, value) for name, value in order.pilot_config.environment.items()}
    asked = asked_platform(order.task.task_image, users)
    if asked and asked not in profile.allowed_platforms:
        raise Unsubmittable(
            f"pilot_config.environment: the container platform {asked[:50]!r} is not allowed here",
            hint=f"allowed: {', '.join(sorted(profile.allowed_platforms))}",
        )
    for name in sorted(_OPERATORS_ONLY & users.keys()):
        raise Unsubmittable(
            f"pilot_config.environment: only the operator sets {name}", hint="leave it out: the pool has its own value"
        )
    _check_directories(users.get(EXTERNAL_DIRECTORIES, ""), profile)
    _check_images(order, asked or profile.platform, profile)
    traced = {ENV_TRACE: order.traceparent} if read_traceparent(order.traceparent) is not None else {}
    chosen = traced | _operator_variables(profile) | users | ({PLATFORM: asked} if asked else {})
    environment = _default_variables(order, chosen) | chosen | _ewms_variables(order, grant, token_source)
    for name, value in environment.items():
        if "\0" in name or "\0" in value:
            raise Unsubmittable(f"{name[:100]!r}: must not contain NUL")
    return dict(sorted(environment.items()))


def list_secrets(order: TaskforceStart) -> tuple[str, ...]:
    """Return the names of the secrets that the task of `order` wants."""
    users = {_SECRETS: _join_value(_SECRETS, order.pilot_config.environment.get(_SECRETS, ""))}
    return read_secret_names(Variables(users), "SECRETS")


def secrets_file(answer: SecretsAnswer) -> bytes:
    """Return the content of the file with the task's secrets."""
    return json.dumps({name: value.get_secret_value() for name, value in answer.values.items()}).encode()


def task_file(environment: Mapping[str, str]) -> bytes:
    """Return the content of the task file."""
    return json.dumps({"environment": environment}, indent=1).encode() + b"\n"


def token_file(grant: GrantAnswer) -> bytes:
    """Return the content of the token file."""
    return grant.token.get_secret_value().encode()


def renewal_at(granted_at: datetime, expires_at: datetime) -> datetime:
    """Return when to ask for the next token: after half of this token's life."""
    return granted_at + (expires_at - granted_at) / 2


def _check_directories(asked: str, profile: PilotProfile) -> None:
    """Refuse each directory that the pilot would refuse because of its name. Only the worker can follow links in a
    name.
    """
    for path in split_directories(asked):
        problem = directory_problem(path)
        if not problem and not is_within(path, profile.external_roots):
            opened = ", ".join(profile.external_roots) or "none"
            problem = f"is not open to tasks here; directories that are open: {opened} (EWMS_EXTERNAL_ROOTS)"
        if problem:
            rule, _, remedy = problem.partition("; ")
            where = f"pilot_config.environment.{EXTERNAL_DIRECTORIES}"
            raise Unsubmittable(f"{where}: the directory {path[:200]!r} {rule}", hint=remedy)


def _check_images(order: TaskforceStart, platform: str, profile: PilotProfile) -> None:
    """Refuse each image whose name is not allowed. On the platform `none` there is no image, so check nothing."""
    if platform == "none":
        return
    for field_name, image in (("task_image", order.task.task_image), ("init_image", order.task.init_image)):
        problem = image_problem(image)
        if not problem and image.startswith("/") and profile.image_roots and not is_within(image, profile.image_roots):
            problem = f"lies outside of {', '.join(profile.image_roots)}; move it there (EWMS_IMAGE_ROOTS)"
        if problem:
            rule, _, remedy = problem.partition("; ")
            raise Unsubmittable(f"{field_name}: the image {image[:200]!r} {rule}", hint=remedy)


def _default_variables(order: TaskforceStart, chosen: Mapping[str, str]) -> dict[str, str]:
    """Return default values of variables. `chosen` are the values of the user and the operator, which override
    defaults.
    """
    runtime_s = str(order.worker_config.max_worker_runtime)
    defaults = {
        f"{PREFIX}HTCHIRP": "True",
        f"{PREFIX}HTCHIRP_DEST": "JOB_EVENT_LOG",
        # An idle pilot keeps its slot: it leaves when EWMS asks it to, or when its worker's time is over.
        f"{PREFIX}TIMEOUT_QUEUE_WAIT_FOR_FIRST_MESSAGE": runtime_s,
        f"{PREFIX}TIMEOUT_QUEUE_INCOMING": runtime_s,
    }
    # A quarantine makes sense only for a pilot that stops at an error. If the user or operator has set one of these
    # variables, set no default.
    if not any(f"{PREFIX}{name}" in chosen for name in _STOPPING):
        defaults[f"{PREFIX}STOP_LISTENING_ON_TASK_ERROR"] = "False"
        defaults[f"{PREFIX}MAX_FAILURES_IN_A_ROW"] = str(MAX_FAILURES_IN_A_ROW)
        if chosen.get(f"{PREFIX}MAX_FAILURES_IN_A_ROW", "").strip() != "0":
            defaults[f"{PREFIX}QUARANTINE_TIME"] = str(QUARANTINE_S)
    # A user who sets the idle time expects that it holds for the first event too.
    if f"{PREFIX}TIMEOUT_QUEUE_INCOMING" in chosen:
        del defaults[f"{PREFIX}TIMEOUT_QUEUE_WAIT_FOR_FIRST_MESSAGE"]
    return defaults


def _operator_variables(profile: PilotProfile) -> dict[str, str]:
    chosen = {
        PLATFORM: profile.platform,
        f"{PREFIX}APPTAINER": profile.apptainer,
        _EXTERNAL_ROOTS: ",".join(profile.external_roots),
        _IMAGE_ROOTS: ",".join(profile.image_roots),
        _PROTECTED: ",".join(profile.protected_directories),
    }
    return {name: value for name, value in chosen.items() if value} | dict(profile.environment)


def _ewms_variables(order: TaskforceStart, grant: GrantAnswer, token_source: str) -> dict[str, str]:
    task = order.task
    job = PilotJob(
        workflow_id=order.workflow_id,
        task_id=task.task_id,
        taskforce_uuid=order.taskforce_uuid,
        token_file=TOKEN_FILE,
        token_source=token_source,
        # The workers' output lies beside the token.
        log_directory=str(PurePosixPath(token_source).parent)
        if order.worker_config.do_transfer_worker_stdouterr
        else "",
        worker_runtime_s=order.worker_config.max_worker_runtime,
        worker_memory_bytes=order.worker_config.memory_bytes,
    )
    told = write_variables(PilotProgram, task) | write_variables(PilotJob, job) | write_wire(grant.wire)
    for direction, mqids in ((INCOMING, task.input_queues), (OUTGOING, task.output_queues)):
        told |= write_queues(
            direction,
            mqids,
            broker_type=grant.broker_type,
            broker_address=grant.broker_address,
            aliases=grant.aliases,
        )
    return told


def _join_value(name: str, value: str | int | list[str]) -> str:
    return _SEPARATORS.get(name, ";").join(value) if isinstance(value, list) else str(value)
