"""The variables that TMS passes to a pilot: their names, how TMS writes them, and how the pilot reads them. (core)

    TaskOrder.task_args ──write──► EWMS_PILOT_TASK_ARGS in the task file ──read──► PilotProgram.task_args

TMS and the pilot both import this module. The pilot is installed without pydantic, so these are plain dataclasses.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from schemas.broker.queue_format import Wire
from schemas.ids import Mqid, TaskforceUuid, TaskId, WorkflowId
from schemas.pilot.job_names import TOKEN_FILE
from schemas.pilot.variables import PREFIX, Reader, ReadVariable, Variables, describe_field, list_described


@dataclass(frozen=True, slots=True)
class PilotVariable(ReadVariable):
    """A variable with its writer and its reader. If `write` returns None, TMS leaves the variable out."""

    write: Callable[[Any], str | None] = field(kw_only=True)


def _with_variable(name: str, write: Callable[[Any], str | None], read: Reader) -> dict[str, ReadVariable]:
    return describe_field(PilotVariable(name, read, write=write))


def _write_environment(environment: Mapping[str, str]) -> str | None:
    return json.dumps(environment) if environment else None


def _write_number(number: float | None) -> str | None:
    return None if number is None else str(number)


@dataclass(frozen=True, kw_only=True)
class PilotProgram:
    """The fields of `schemas.fleet.program.TaskProgram`, as the pilot reads them."""

    task_image: str = field(metadata=_with_variable("TASK_IMAGE", str, Variables.read_string))
    task_args: tuple[str, ...] = field(metadata=_with_variable("TASK_ARGS", str, Variables.read_arguments))
    task_env: Mapping[str, str] = field(
        metadata=_with_variable("TASK_ENV_JSON", _write_environment, Variables.read_environment)
    )
    init_image: str = field(metadata=_with_variable("INIT_IMAGE", str, Variables.read_string))
    init_args: tuple[str, ...] = field(metadata=_with_variable("INIT_ARGS", str, Variables.read_arguments))
    init_env: Mapping[str, str] = field(
        metadata=_with_variable("INIT_ENV_JSON", _write_environment, Variables.read_environment)
    )


@dataclass(frozen=True, kw_only=True)
class PilotJob:
    """What EWMS tells a pilot about its job, besides the program and the queues."""

    workflow_id: WorkflowId = field(metadata=_with_variable("WORKFLOW_ID", str, Variables.read_string))
    task_id: TaskId = field(metadata=_with_variable("TASK_ID", str, Variables.read_string))
    taskforce_uuid: TaskforceUuid = field(metadata=_with_variable("TASKFORCE_UUID", str, Variables.read_string))
    #: The file with the token for the queues. A relative path starts from the job's directory.
    token_file: str = field(metadata=_with_variable("TOKEN_FILE", str, lambda v, name: v.read_string(name, TOKEN_FILE)))
    #: The file on the access point in which TMS renews the token; empty if there is no such file.
    token_source: str = field(metadata=_with_variable("TOKEN_SOURCE", str, Variables.read_string))
    #: The directory on the access point for the workers' output; empty if the output is not kept.
    log_directory: str = field(metadata=_with_variable("LOG_DIRECTORY", str, Variables.read_string))
    #: The worker's maximum runtime; None means no limit. It begins with the pilot's own process, because a job may
    #: start several times.
    worker_runtime_s: float | None = field(
        metadata=_with_variable("MAX_WORKER_RUNTIME", _write_number, Variables.read_limit_s)
    )
    #: The memory that the request asks for. Error texts name it if a task was killed because of its memory.
    worker_memory_bytes: int | None = field(
        metadata=_with_variable("WORKER_MEMORY", _write_number, Variables.read_integer)
    )


Told = type[PilotProgram] | type[PilotJob]


def list_variables(kind: Told) -> dict[str, PilotVariable]:
    """Return the variable of each field of `kind`, by the field's name."""
    return list_described(kind)


_PROGRAM = list_variables(PilotProgram)


def write_variables(kind: Told, source: object) -> dict[str, str]:
    """Return variable name -> value: the fields of `kind`, which a pilot reads. `source` has the values under the
    fields' names.
    """
    written = {
        PREFIX + variable.name: variable.write(getattr(source, name)) for name, variable in list_variables(kind).items()
    }
    return {name: text for name, text in written.items() if text is not None}


def write_program_secret(fields: Mapping[str, Any]) -> str:
    """Return the value of the secret `PROGRAM_SECRET`: the variables of these fields of the program, as JSON."""
    written = {PREFIX + _PROGRAM[name].name: _PROGRAM[name].write(value) for name, value in fields.items()}
    return json.dumps({name: text for name, text in written.items() if text is not None})


def read_program_secret(value: str) -> dict[str, str]:
    """Return the variables that `write_program_secret` has made `value` from. They replace those with masks.

    Raises:
        ValueError: it is no JSON object of texts, or has other variables than those of the program.
    """
    found = json.loads(value)
    if not isinstance(found, dict) or not all(isinstance(text, str) for text in found.values()):
        raise ValueError("no JSON object of texts")
    if not found.keys() <= {PREFIX + variable.name for variable in _PROGRAM.values()}:
        raise ValueError("has other variables than those of the program")
    return found


INCOMING, OUTGOING = "QUEUE_INCOMING", "QUEUE_OUTGOING"

_ADDRESS, _TOKEN, _TYPE, _WIRE, _ALIAS = "_BROKER_ADDRESS", "_AUTH_TOKEN", "_BROKER_TYPE", "_WIRE", "_ALIAS"

#: The variables of all queues.
QUEUE_VARIABLES = tuple(
    f"{direction}{part}" for direction in (INCOMING, OUTGOING) for part in ("", _ADDRESS, _TOKEN, _TYPE, _WIRE, _ALIAS)
)


@dataclass(frozen=True, slots=True)
class QueueEndpoint:
    """A message queue and its address. Without a `token`, the token file has the token. `wire` is for outputs."""

    mqid: Mqid
    address: str
    token: str = field(default="", repr=False)
    wire: Wire = Wire.EWMS
    #: The queue's name for users; empty if unknown.
    alias: str = ""

    def __str__(self) -> str:
        return f"{self.alias!r} ({self.mqid})" if self.alias else self.mqid


def write_queues(
    direction: str, mqids: Sequence[Mqid], *, broker_type: str, broker_address: str, aliases: Mapping[str, str]
) -> dict[str, str]:
    """Return the variables that tell a pilot its input or output queues (`direction`). Lists are joined by `;`."""
    name = PREFIX + direction
    written = {
        name: ";".join(mqids),
        name + _TYPE: ";".join([broker_type] * len(mqids)),
        name + _ADDRESS: ";".join([broker_address] * len(mqids)),
        # The token is only in its file.
        name + _TOKEN: "",
    }
    named = [aliases.get(mqid, "") for mqid in mqids]
    # The pilot splits the aliases at `;`. Without them it names its queues by their ids.
    if all(alias and ";" not in alias for alias in named):
        written[name + _ALIAS] = ";".join(named)
    return written


def write_wire(wire: Wire) -> dict[str, str]:
    """Return the variable that tells a pilot in which format to publish outputs."""
    return {PREFIX + OUTGOING + _WIRE: wire.value}


def read_queues(v: Variables, direction: str) -> tuple[QueueEndpoint, ...]:
    """Return the input or output queues (`direction`) of a pilot. One address, type or token may be for all queues."""
    mqids = v.read_words(direction, ";")
    columns = []
    for part in (_ADDRESS, _TOKEN, _TYPE, _WIRE, _ALIAS):
        values = v.read_words(direction + part, ";")
        if len(values) not in {0, 1, len(mqids)} and mqids:
            v.note_problem(
                direction + part, f"must have one value, or one for each of the {len(mqids)} queues", "count them"
            )
        columns.append(values if len(values) == len(mqids) else (values[:1] or ("",)) * len(mqids))
    addresses, tokens, types, wires, aliases = columns
    if not {wire.lower() for wire in wires} <= {"", *Wire}:
        v.note_problem(direction + _WIRE, f"must be of {', '.join(Wire)}", "choose one, or unset it")
        wires = ("",) * len(mqids)
    if any(broker_type.lower() not in {"", "rabbitmq"} for broker_type in types):
        v.note_problem(direction + _TYPE, "must be rabbitmq", "the only broker there is; or unset it")
    if mqids and not all(addresses):
        v.note_problem(direction + _ADDRESS, "must say where the queues are", "write user@host:port/vhost")
    if len(set(mqids)) != len(mqids):
        v.note_problem(direction, "must not name a queue twice", "remove the repetition")
    return tuple(
        QueueEndpoint(Mqid(mqid), address, token, Wire(wire.lower() or Wire.EWMS), alias)
        for mqid, address, token, wire, alias in zip(mqids, addresses, tokens, wires, aliases, strict=True)
    )
