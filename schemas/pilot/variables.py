"""Read the pilot's variables one by one, and collect all problems with them. (core)

The pilot reads its own variables by these rules. WMS and the client check a user's variables by the same rules.
"""

import json
import math
import re
import shlex
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any, TypeVar

PREFIX = "EWMS_PILOT_"

ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_TRUE, _FALSE = frozenset({"1", "true", "yes", "on"}), frozenset({"0", "false", "no", "off"})
#: Values that scripts write for a variable without a value.
_UNSET = frozenset({"", "None"})

_Choice = TypeVar("_Choice", bound=StrEnum)


class Variables:
    """Reads variables by their names without `EWMS_PILOT_`.

    If a value is wrong, a method returns the default and adds a line to `problems`: the variable, the rule, the remedy.
    The line never repeats the value, because some values are secret.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._read: set[str] = set()
        self.problems: list[str] = []

    def read_string(self, name: str, default: str = "") -> str:
        """Return the text of a variable, without blanks around it. Return `default` if the variable is unset."""
        self._read.add(full_name(name))
        value = self._environment.get(full_name(name), "").strip()
        return default if value in _UNSET else value

    def read_seconds(self, name: str, default: float) -> float:
        """Return a number of seconds, 0 or more. Return `default` if the variable is unset."""
        value = self.read_seconds_if_set(name)
        return default if value is None else value

    def read_seconds_if_set(self, name: str) -> float | None:
        """Return a number of seconds, 0 or more. Return None if the variable is unset."""
        return self._read_number(name, "a number of seconds, 0 or more")

    def read_limit_s(self, name: str) -> float | None:
        """Return a time limit in seconds. Return None if the variable is unset or 0."""
        return self._read_number(name, "a number of seconds above 0, or unset for no limit") or None

    def read_integer(self, name: str) -> int | None:
        """Return a whole number, which may be negative. Return None if the variable is unset."""
        text = self.read_string(name)
        try:
            return int(text) if text else None
        except ValueError:
            self.note_problem(name, "must be a whole number", "write digits only, or unset it")
            return None

    def read_flag(self, name: str, *, default: bool) -> bool:
        """Return True or False. The value may be, for example, `yes`, `on` or `1`."""
        text = self.read_string(name, str(default)).lower()
        if text not in _TRUE | _FALSE:
            self.note_problem(name, "must be True or False", "set one of them, or unset it")
            return default
        return text in _TRUE

    def read_choice(self, name: str, choices: Iterable[_Choice], default: _Choice | None) -> _Choice | None:
        """Return one of `choices`, in capitals or not. Return `default` if the variable is unset."""
        text = self.read_string(name)
        by_name = {choice.value.lower(): choice for choice in choices}
        if text and text.lower() not in by_name:
            self.note_problem(name, f"must be one of {', '.join(sorted(by_name))}", "choose one, or unset it")
        return by_name.get(text.lower(), default)

    def read_arguments(self, name: str) -> tuple[str, ...]:
        """Return a command's arguments, split as a shell splits them. Nothing is expanded."""
        try:
            arguments = tuple(shlex.split(self.read_string(name)))
        except ValueError:
            self.note_problem(
                name, "must split into arguments as a shell splits them", "close the quotation mark or the escape"
            )
            return ()
        if any("\0" in argument for argument in arguments):
            self.note_problem(name, "must not contain NUL", "remove it")
        return arguments

    def read_environment(self, name: str) -> dict[str, str]:
        """Return name -> value for the JSON object of texts that the variable `name` holds.

        Add each fault to `problems`, and leave the faulty entries out. An unset variable is an empty object.
        """
        try:
            value = json.loads(self.read_string(name, "{}"))
        except ValueError:
            value = None
        if not isinstance(value, dict):
            self.note_problem(name, "must be a JSON object of texts", 'write it like {"SEED": "7"}')
            return {}
        result: dict[str, str] = {}
        for key, item in value.items():
            if not ENV_NAME.fullmatch(key):
                self.note_problem(name, f"has the name {key[:40]!r}: names match {ENV_NAME.pattern}", "rename it")
            elif isinstance(item, bool) or not isinstance(item, str | int | float) or "\0" in str(item):
                self.note_problem(name, f"must have a text (without NUL) for {key}", "quote the value")
            else:
                result[key] = str(item)
        return result

    def read_words(self, name: str, separator: str | None) -> tuple[str, ...]:
        """Return the parts of a list that are not empty. If `separator` is None, split at blanks."""
        return tuple(word.strip() for word in self.read_string(name).split(separator) if word.strip())

    def list_unread(self) -> tuple[str, ...]:
        """Return the names that begin with `EWMS_PILOT_` and that were not read yet."""
        return tuple(sorted(n for n in self._environment if n.startswith(PREFIX) and n not in self._read))

    def note_problem(self, name: str, rule: str, remedy: str) -> None:
        """Add a text to `problems`: the variable `name` breaks `rule`, and `remedy` says what to write instead."""
        self.problems.append(f"{full_name(name)} {rule}; {remedy}")

    def _read_number(self, name: str, rule: str) -> float | None:
        text = self.read_string(name)
        if not text:
            return None
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not 0 <= value < math.inf:
            self.note_problem(name, f"must be {rule}", "write digits only, or unset it")
            return None
        return value


def full_name(name: str) -> str:
    """Return the variable's full name. A name that begins with `_` is already full."""
    return name if name.startswith("_") else PREFIX + name


Reader = Callable[[Variables, str], object]

_KEY = "pilot_variable"


@dataclass(frozen=True, slots=True)
class ReadVariable:
    """A variable's name without the prefix, and its reader. If the variable is unset, `old_name` is read instead."""

    name: str
    read: Reader
    old_name: str = ""


def describe_field(variable: ReadVariable) -> dict[str, ReadVariable]:
    """Return the metadata for a dataclass field whose value is read from `variable`."""
    return {_KEY: variable}


def list_described(kind: type) -> dict[str, Any]:
    """Return the variable of each field of `kind`, by the field's name."""
    return {known.name: known.metadata[_KEY] for known in fields(kind)}


def read_fields(kind: type, v: Variables) -> dict[str, Any]:
    """Return the value of each field of `kind`, by the field's name, read from `v`."""
    values: dict[str, Any] = {}
    for name, variable in list_described(kind).items():
        values[name] = variable.read(v, variable.name)
        if variable.old_name:
            old = variable.read(v, variable.old_name)
            values[name] = old if values[name] is None else values[name]
    return values
