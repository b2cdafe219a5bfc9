"""All variables whose names begin with `EWMS_PILOT_`, and who may set each. (core)

`pilot.settings` reads all of them. `find_variable_problems` checks a user's variables by the same readers, before any
pilot starts.
"""

from collections.abc import Mapping

from schemas.pilot.options import PLATFORM, Chirp, PilotOption, PilotOptions, Platform
from schemas.pilot.pilot_wire import QUEUE_VARIABLES, PilotJob, PilotProgram, list_variables
from schemas.pilot.variables import PREFIX, Reader, Variables, full_name, list_described, read_fields
from schemas.rules.complaints import find_nearest

_OPTIONS: tuple[PilotOption, ...] = (*list_described(PilotOptions).values(), *list_described(Chirp).values())

#: The variables that users may set (also their old names) -> how the pilot reads them.
OF_USERS: Mapping[str, Reader] = {
    name: option.read for option in _OPTIONS if option.by_user for name in (option.name, option.old_name) if name
}

#: The variables that only an operator sets.
OF_OPERATORS = tuple(option.name for option in _OPTIONS if not option.by_user)

#: The variables for which the task has a field. A request must not set these variables, too.
OF_FIELDS = tuple(variable.name for variable in list_variables(PilotProgram).values())

#: The variables that EWMS sets for each pilot, even if a request has other values.
OF_EWMS = (*QUEUE_VARIABLES, *(variable.name for variable in list_variables(PilotJob).values()))

#: For at most this many unknown names a known name is guessed: each guess takes time, and there may be any number.
_MAX_GUESSES = 20

#: All known names, in full.
KNOWN = frozenset(full_name(name) for name in (*OF_USERS, *OF_OPERATORS, *OF_FIELDS, *OF_EWMS))

_BY_FULL_NAME = {full_name(name): (name, read) for name, read in OF_USERS.items()}
_OPERATORS = frozenset(map(full_name, OF_OPERATORS))
_EWMS = frozenset(map(full_name, OF_EWMS))
_FIELDS = frozenset(map(full_name, OF_FIELDS))


def find_variable_problems(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the faults of the variables that a user sets for the pilot, by name. A fault is "rule; remedy"."""
    found: dict[str, str] = {}
    n_unknown = 0
    v = Variables(environment)
    for name in sorted(environment):
        n_before = len(v.problems)
        if name in _BY_FULL_NAME:
            short, read = _BY_FULL_NAME[name]
            read(v, short)
            if len(v.problems) > n_before:
                found[name] = v.problems[-1].removeprefix(name).strip()
        elif name in _OPERATORS:
            found[name] = "is a variable that only the operator sets; leave it out: the pool has its own value"
        elif name in _EWMS:
            found[name] = "is a variable that EWMS sets, so it has no effect here; leave it out"
        elif name.upper().startswith((PREFIX, f"_{PREFIX}")) and name not in _FIELDS:
            n_unknown += 1
            meant = find_nearest(name, _BY_FULL_NAME) if n_unknown <= _MAX_GUESSES else ""
            found[name] = "is a variable that no pilot reads; " + (
                f"did you mean {meant}?" if meant else "leave it out"
            )
    return found


def waits_in_vain(environment: Mapping[str, str]) -> bool:
    """Return whether the variables set a quarantine after errors, but also tell the pilot not to stop at errors."""
    options = PilotOptions(**read_fields(PilotOptions, Variables(environment)))
    return bool(options.quarantine_s) and not options.stop_on_error


def asked_platform(image: str, environment: Mapping[str, object]) -> str:
    """Return the platform that a task requests, in lower case; empty for any. The image `none` requests `none`."""
    asked = str(environment.get(PLATFORM, "")).strip().lower()
    return Platform.NONE.value if not asked and image.strip().lower() == Platform.NONE else asked
