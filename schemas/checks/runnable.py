"""Find tasks in a request that can never run, or that cannot do what the request says. (core)

The command, the Python client and the gateway share this check. The command and the client refuse sure faults before
they send a request. The gateway must accept what the contract accepts, so it reports these faults in the hint header.
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

from schemas.api.workflows.requests import TaskRequest, WorkflowRequest
from schemas.pilot import names
from schemas.pilot.options import PilotOptions, Platform, TaskMode
from schemas.pilot.outcome_rules import find_outcome_problems
from schemas.pilot.variables import PREFIX, Variables, read_fields
from schemas.rules.complaints import Complaint, alias_problem, complain_of_unused, find_nearest
from schemas.rules.placeholders import (
    ENV_DATA_HUB,
    ENV_INFILE,
    ENV_OUTFILE,
    ENV_RUN,
    ENV_SECRETS,
    FILE_PLACEHOLDERS,
    HUB_PLACEHOLDERS,
)
from schemas.rules.worker_paths import input_file_problem

_PILOTS_OWN = (ENV_INFILE, ENV_OUTFILE, ENV_DATA_HUB, ENV_RUN, ENV_SECRETS)

#: A smaller number without a unit probably means mega- or gigabytes: no container starts with so few bytes.
MIN_WORKER_BYTES = 1024 * 1024

#: The most words in braces that the check reads: each word takes time, and a request may have any number of words.
_MAX_BRACES = 100
#: One piece of a command line, read as `shlex.split` reads it; `shlex` itself is too slow for a megabyte. The pattern
#: has no possessive quantifiers, because Python 3.11.2, which Debian 12 ships, matches them wrongly.
_PIECE = re.compile(r"""[^'"\\]+|\\.|'[^']*'|"(?:[^"\\]|\\.)*"|(?P<open>.)""", re.DOTALL)
#: A word of a command line outside of quotes that means something to a shell only: an operator, or a variable.
_SHELL_WORD = re.compile(r"[|&]{1,2}|;|<|[0-2&]?>{1,2}(?:&[0-2]|\{\{\w+\}\})?|\S*\$[A-Za-z_({]\S*")
#: The beginning of a path in /tmp.
_IN_TMP = re.compile(r"(?<![\w/.])/tmp/")
_BRACES = re.compile(r"\{\{?\s*([A-Za-z][\w -]{0,40}?)\s*\}?\}")


def find_complaints(request: WorkflowRequest, *, has_all_queues: bool = True) -> list[Complaint]:
    """Return all complaints about `request`: first task by task, then about the queues.

    If `has_all_queues` is False, the names of some queues are unknown. Then do not check how queues join tasks.
    """
    found = [complaint for n, task in enumerate(request.tasks) for complaint in _check_task(f"tasks.{n}", task)]
    if not has_all_queues:
        return found
    used = dict.fromkeys(alias for task in request.tasks for alias in _task_aliases(task))
    unused = [alias for alias in request.public_queue_aliases if alias not in used]
    queues = list(_check_queues(request, unused))
    # A complaint about a task's queue may have named a public queue already.
    if left := [alias for alias in unused if alias not in {twin for _, twin in queues}]:
        found.append(complain_of_unused(left, used))
    return [*found, *(complaint for complaint, _ in queues)]


def _check_queues(request: WorkflowRequest, unused: Sequence[str]) -> Iterator[tuple[Complaint, str]]:
    """Yield each complaint, and the unused public alias that the complaint names ("" if it names none)."""
    public = set(request.public_queue_aliases)
    inputs = {alias for task in request.tasks for alias in task.input_queue_aliases}
    outputs = {alias for task in request.tasks for alias in task.output_queue_aliases}
    told: set[str] = set()
    for n, task in enumerate(request.tasks):
        for way, aliases, others in (
            ("input", task.input_queue_aliases, outputs),
            ("output", task.output_queue_aliases, inputs),
        ):
            for alias in aliases:
                if alias in told:
                    continue
                told.add(alias)
                where = f"tasks.{n}.{way}_queue_aliases"
                if problem := alias_problem(alias):
                    yield Complaint(where, *problem), ""
                if alias in public or alias in others:
                    continue
                if twin := find_nearest(alias, unused):
                    yield _one_queue_twice(where, alias, way, twin), twin
                else:
                    yield _dead_end(where, alias, way, find_nearest(alias, sorted((public | others) - {alias}))), ""


def _one_queue_twice(where: str, alias: str, way: str, public: str) -> Complaint:
    # Only the user knows which of the two names is misspelt.
    does = "writes to" if way == "input" else "reads from"
    rule = f"no task {does} the private queue {alias!r}, and no task uses the public queue {public!r}"
    return Complaint(where, rule, f"did you mean {public!r}? Or write {alias!r} in 'public_queue_aliases', too")


def _dead_end(where: str, alias: str, way: str, meant: str) -> Complaint:
    if way == "input":
        rule = f"no event can come into the queue {alias!r}: it is private, and no task writes to it"
        remedy = "make it public, or name it in a task's 'output_queue_aliases'"
    else:
        rule = f"nothing can take events from the queue {alias!r}: it is private, and no task reads from it"
        remedy = "make it public, or name it in a task's 'input_queue_aliases'"
    return Complaint(where, rule, f"did you mean {meant!r}? Or {remedy}" if meant else remedy, is_sure=False)


def _check_task(where: str, task: TaskRequest) -> Iterator[Complaint]:
    platform = names.asked_platform(task.task_image, task.pilot_config.environment)
    environment = {name: _join_value(value) for name, value in task.pilot_config.environment.items()}
    yield from _check_arguments(f"{where}.task_args", task.task_args, (*FILE_PLACEHOLDERS, *HUB_PLACEHOLDERS))
    yield from _check_arguments(f"{where}.init_args", task.init_args, HUB_PLACEHOLDERS)
    yield from _check_environment(f"{where}.task_env", task.task_env)
    yield from _check_environment(f"{where}.init_env", task.init_env)
    for name, problem in names.find_variable_problems(environment).items():
        rule, _, remedy = problem.partition("; ")
        yield Complaint(f"{where}.pilot_config.environment.{name}", rule, remedy)
    yield from _check_mode(where, task, environment)
    yield from _check_outcomes(where, task, environment)
    yield from _check_times(where, task, environment)
    if platform == Platform.NONE and not task.task_args.strip():
        yield Complaint(f"{where}.task_args", "must be the command where there is no image", "write the command line")
    if not task.init_image and (task.init_args.strip() or task.init_env):
        field = "init_args" if task.init_args.strip() else "init_env"
        yield Complaint(f"{where}.{field}", "has no effect without 'init_image'", "name the image, or leave it out")
    if platform == Platform.NONE and _IN_TMP.search(task.task_args):
        rule = "names a file in /tmp, and a task's /tmp may be another one than yours"
        yield Complaint(
            f"{where}.task_args", rule, "put the file elsewhere, or send it with 'input_files'", is_sure=False
        )
    if platform == Platform.NONE and task.init_image and not task.init_args.strip():
        yield Complaint(f"{where}.init_args", "must be the command where there is no image", "write the command line")
    config = task.worker_config
    for name, size in (("worker_memory", config.worker_memory), ("worker_disk", config.worker_disk)):
        if (n_bytes := _plain_number(size)) is not None and n_bytes < MIN_WORKER_BYTES:
            rule = f"{n_bytes} without a unit means {n_bytes} bytes, and no task can run in so few"
            yield Complaint(f"{where}.worker_config.{name}", rule, f"write a unit: '{n_bytes}M' or '{n_bytes}G'")
    for n, path in enumerate(task.pilot_config.input_files):
        if problem := input_file_problem(path):
            rule, remedy = problem.rsplit("; ", 1)
            yield Complaint(f"{where}.pilot_config.input_files.{n}", rule, remedy)


def _check_arguments(where: str, arguments: str, known: tuple[str, ...]) -> Iterator[Complaint]:
    if any(piece["open"] for piece in _PIECE.finditer(arguments)):
        rule = "does not split into arguments as a shell splits them"
        yield Complaint(where, rule, "close the quotation mark, or write the backslash twice")
    elif word := _find_shell_word(arguments):
        rule = f"{word} stays an argument of the program, because no shell reads the command line"
        yield Complaint(where, rule, "write sh -c '... $1 ... $2' sh {{INFILE}} {{OUTFILE}}", is_sure=False)
    for match in islice(_BRACES.finditer(arguments), _MAX_BRACES):
        if match[0] in known:
            continue
        meant = find_nearest(match[1], known)
        in_one = not match[0].startswith("{{") or not match[0].endswith("}}")
        if not meant or (in_one and meant != "{{" + match[1] + "}}"):
            continue  # another program's template
        yield Complaint(where, f"{match[0]} stays unchanged, because it is not a placeholder", f"did you mean {meant}?")


def _find_shell_word(arguments: str) -> str:
    """Return the first word outside of quotes that only a shell understands. Return an empty text if there is none."""
    pieces = (match[0] for match in _PIECE.finditer(arguments))
    plain = "".join("quoted" if piece[0] in "'\"\\" else piece for piece in pieces)
    return next((word[:40] for word in plain.split() if _SHELL_WORD.fullmatch(word)), "")


def _check_environment(where: str, environment: Mapping[str, str]) -> Iterator[Complaint]:
    for name, value in environment.items():
        if name in _PILOTS_OWN:
            yield Complaint(f"{where}.{name}", "is a variable that the pilot sets, over this value", "use another name")
        elif placeholder := next((known for known in FILE_PLACEHOLDERS if known in value), ""):
            own = ENV_INFILE if placeholder in FILE_PLACEHOLDERS[:2] else ENV_OUTFILE
            rule = f"the pilot replaces {placeholder} in 'task_args' only"
            yield Complaint(f"{where}.{name}", rule, f"read the variable {own} in the task, or use 'task_args'")


def _check_mode(where: str, task: TaskRequest, environment: Mapping[str, str]) -> Iterator[Complaint]:
    if environment.get(f"{PREFIX}TASK_MODE", "").strip().lower() != TaskMode.STREAM:
        return
    if not task.input_queue_aliases:
        rule, remedy = "stream needs an input queue", "name one, or leave the mode out"
        yield Complaint(f"{where}.pilot_config.environment.{PREFIX}TASK_MODE", rule, remedy)
    if named := [placeholder for placeholder in FILE_PLACEHOLDERS if placeholder in task.task_args]:
        rule = f"must not name {', '.join(named)} with {PREFIX}TASK_MODE=stream"
        remedy = "a warm task reads events from standard input and answers on standard output"
        yield Complaint(f"{where}.task_args", rule, remedy)


def _check_outcomes(where: str, task: TaskRequest, environment: Mapping[str, str]) -> Iterator[Complaint]:
    options = PilotOptions(**read_fields(PilotOptions, Variables(environment)))
    aliases = task.output_queue_aliases
    for name, rule, remedy in find_outcome_problems(
        options, n_inputs=len(task.input_queue_aliases), outputs=aliases, n_outputs=len(aliases)
    ):
        yield Complaint(f"{where}.pilot_config.environment.{PREFIX}{name}", rule, remedy)


def _check_times(where: str, task: TaskRequest, environment: Mapping[str, str]) -> Iterator[Complaint]:
    runtime_s = task.worker_config.max_worker_runtime
    for name in ("TASK_TIMEOUT", "SUBPROC_TIMEOUT", "INIT_TIMEOUT", "QUARANTINE_TIME"):
        try:
            value_s = float(environment.get(f"{PREFIX}{name}", "0"))
        except ValueError:
            continue
        if runtime_s < value_s < math.inf:
            rule = f"is {value_s:g} s, and a worker lives at most {runtime_s} s"
            remedy = "make 'worker_config.max_worker_runtime' longer, or this shorter"
            yield Complaint(f"{where}.pilot_config.environment.{PREFIX}{name}", rule, remedy, is_sure=False)
    if names.waits_in_vain(environment):
        rule = f"is not allowed with {PREFIX}STOP_LISTENING_ON_TASK_ERROR=False"
        yield Complaint(f"{where}.pilot_config.environment.{PREFIX}QUARANTINE_TIME", rule, "leave one of them out")


def _plain_number(size: str | int) -> int | None:
    """Return the number in `size`. Return None if `size` has a unit."""
    text = str(size).strip()
    return int(text) if text.isascii() and text.isdecimal() else None


def _task_aliases(task: TaskRequest) -> tuple[str, ...]:
    return (*task.input_queue_aliases, *task.output_queue_aliases)


def _join_value(value: str | int | list[str]) -> str:
    return ";".join(value) if isinstance(value, list) else str(value)
