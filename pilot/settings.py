"""The pilot's settings, read once from a mapping of its variables. (core)

The contract's variables (8.2) keep their names and meanings. Our own variables are marked. One error reports all
problems together.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath

from pilot.errors import SettingsInvalid
from schemas.attempts.trace_context import ENV_TRACE, read_traceparent
from schemas.pilot.names import asked_platform
from schemas.pilot.options import Chirp, PilotOptions, Platform, TaskMode
from schemas.pilot.outcome_rules import find_outcome_problems
from schemas.pilot.pilot_wire import INCOMING, OUTGOING, PilotJob, PilotProgram, QueueEndpoint, read_queues
from schemas.pilot.variables import Variables, read_fields
from schemas.rules.placeholders import FILE_PLACEHOLDERS
from schemas.rules.worker_paths import image_problem


@dataclass(frozen=True, slots=True)
class Program:
    """A program to run in a container: the image, the arguments with their placeholders, the environment."""

    image: str
    args: tuple[str, ...]
    environment: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class PilotSettings(PilotProgram, PilotJob, PilotOptions):
    """The settings of one pilot: the settings that TMS gives to every pilot, and the pilot's own.

    A limit of None means no limit. If `prefetch` is None, the pilot chooses it by how long the task takes.
    """

    inputs: tuple[QueueEndpoint, ...]
    outputs: tuple[QueueEndpoint, ...]
    chirp: Chirp
    #: Variables that begin with `EWMS_PILOT_` and that the pilot does not know: most likely typing errors.
    unknown: tuple[str, ...]
    #: The W3C trace context of the request that started the taskforce; empty if it has no valid one. It is that of a
    #: source. Events bring their own.
    traceparent: str = ""

    @property
    def task(self) -> Program:
        """The task's program."""
        return Program(self.task_image, self.task_args, self.task_env)

    @property
    def init(self) -> Program | None:
        """The program that runs before the first event; None if there is none."""
        return Program(self.init_image, self.init_args, self.init_env) if self.init_image else None

    @property
    def outcomes_queue(self) -> QueueEndpoint | None:
        """The output queue for the events' outcomes; None if the pilot publishes none."""
        return self._find_output(self.outcomes_to)

    @property
    def logs_queue(self) -> QueueEndpoint | None:
        """The output queue for what the runs write; None if the pilot publishes none."""
        return self._find_output(self.logs_to)

    @cached_property
    def task_outputs(self) -> tuple[QueueEndpoint, ...]:
        """The output queues for what the task leaves, or for the event itself if the pilot forwards events."""
        return tuple(queue for queue in self.outputs if queue not in (self.outcomes_queue, self.logs_queue))

    def _find_output(self, alias: str) -> QueueEndpoint | None:
        return next((queue for queue in self.outputs if alias and alias in (queue.alias, queue.mqid)), None)


def read_settings(environment: Mapping[str, str], *, directory: str) -> PilotSettings:
    """Return the settings that `environment` holds. Relative paths start from `directory`.

    Raises:
        SettingsInvalid: variables are wrong; `problems` lists all problems.
    """
    v = Variables(environment)
    told = read_fields(PilotProgram, v) | read_fields(PilotJob, v) | read_fields(PilotOptions, v)
    for name in ("token_file", "data_dir_parent", *(("ca_file",) if told["ca_file"] else ())):
        told[name] = str(PurePosixPath(directory) / told[name])
    if told["first_timeout_s"] is None:
        told["first_timeout_s"] = told["idle_timeout_s"]
    if told["platform"] is None and asked_platform(told["task_image"], {}) == Platform.NONE:
        told["platform"] = Platform.NONE
    result = PilotSettings(
        **told,
        inputs=read_queues(v, INCOMING),
        outputs=read_queues(v, OUTGOING),
        chirp=Chirp(**read_fields(Chirp, v)),
        unknown=v.list_unread(),
        traceparent=trace if read_traceparent(trace := environment.get(ENV_TRACE, "")) is not None else "",
    )
    if result.refuses_unknown:
        v.problems += [f"{name}: this pilot does not know it; give the pool a newer pilot" for name in result.unknown]
    _check_together(v, result)
    if v.problems:
        raise SettingsInvalid(v.problems)
    return result


def read_chirp(environment: Mapping[str, str]) -> Chirp:
    """Return how to chirp. This ignores problems of other variables, because the pilot must be able to report those."""
    return Chirp(**read_fields(Chirp, Variables(environment)))


def _check_together(v: Variables, s: PilotSettings) -> None:
    """Note the problems that only several variables together show, for example apptainer without an image."""
    if s.quarantine_s and not s.stop_on_error and not s.max_failures_in_a_row:
        v.note_problem(
            "QUARANTINE_TIME",
            "is not allowed with STOP_LISTENING_ON_TASK_ERROR=False",
            "without a stop there is no quarantine: unset one of the two, or set MAX_FAILURES_IN_A_ROW",
        )
    if not s.task.image and s.platform is not Platform.NONE:
        v.note_problem(
            "TASK_IMAGE", "must name the task's image", "set it, or set the platform to none for a bare process"
        )
    for name, program in (("TASK_IMAGE", s.task), ("INIT_IMAGE", s.init)):
        if program is not None and s.platform is not Platform.NONE and (problem := image_problem(program.image)):
            rule, _, remedy = problem.partition("; ")
            v.note_problem(name, rule, remedy)
    if s.platform is Platform.NONE and not s.task.args:
        v.note_problem("TASK_ARGS", "must be the command of a bare process", "set it")
    if not s.inputs and not s.outputs:
        v.note_problem(
            "QUEUE_INCOMING", "or EWMS_PILOT_QUEUE_OUTGOING must name a queue", "a task needs at least one queue"
        )
    if s.task_mode is TaskMode.STREAM:
        _check_stream(v, s)
    outputs = {name for queue in s.outputs for name in (queue.alias, queue.mqid)}
    for name, rule, remedy in find_outcome_problems(
        s, n_inputs=len(s.inputs), outputs=outputs, n_outputs=len(s.outputs)
    ):
        v.note_problem(name, rule, remedy)


def _check_stream(v: Variables, s: PilotSettings) -> None:
    """Note the settings that a warm task cannot have."""
    if not s.inputs and s.outputs:
        v.note_problem("TASK_MODE", "stream needs an input queue", "a task without one gets no events: unset the mode")
    if any(placeholder in argument for argument in s.task.args for placeholder in FILE_PLACEHOLDERS):
        v.note_problem(
            "TASK_ARGS",
            f"must not name {', '.join(FILE_PLACEHOLDERS)} with EWMS_PILOT_TASK_MODE=stream",
            "a warm task reads events from standard input and answers on standard output: remove them, or the mode",
        )
