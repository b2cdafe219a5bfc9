"""The definitions of this Python process: step lists by the names of their functions, with their forms and
conditions.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from ewms.steps.forms import StateForm
from ewms.steps.step_list import StepKind, StepList
from schemas.engine.processes import Target


@dataclass(frozen=True, kw_only=True)
class ProcessDefinition:
    """A step list with everything that a start of it needs. A call of the definition returns the step list."""

    name: str
    description: str
    target: Target
    steps: StepList
    form: StateForm
    #: Called before the first form. It returns True, or a text that says why the process may not start.
    run_predicate: Callable[..., Any] | None = field(default=None, compare=False)
    authorize: Callable[[Any], bool] | None = field(default=None, compare=False)
    authorize_retry: Callable[[Any], bool] | None = field(default=None, compare=False)
    #: The function's module and name. Two definitions with one name and different origins are an error.
    origin: str = ""

    def __call__(self) -> StepList:
        return self.steps

    def list_warnings(self) -> list[str]:
        """Return a sentence for each oddity of the step list: no steps, no `done` at the end, or steps after `done`."""
        ends = [number for number, step in enumerate(self.steps) if step.kind is StepKind.DONE and not step.scopes]
        if not self.steps:
            return [f"{self.name} has no steps"]
        if not ends:
            return [f"{self.name} does not end with `done`; it completes after its last step"]
        if n_after := len(self.steps) - 1 - ends[0]:
            return [f"{self.name} has {n_after} step(s) after its first `done`, which never run"]
        return []


class TwiceDefined(ValueError):
    """Two different functions define workflows of the same name."""


#: All definitions of this Python process, by name.
_DEFINITIONS: dict[str, ProcessDefinition] = {}


def add_definition(definition: ProcessDefinition) -> ProcessDefinition:
    """Store `definition` under its name, and return it. The same function may define the name again, after a reload for
    instance.

    Raises:
        TwiceDefined: another function has defined the name.
    """
    before = _DEFINITIONS.get(definition.name)
    if before is not None and before.origin != definition.origin:
        raise TwiceDefined(f"{definition.name} is defined twice: in {before.origin} and in {definition.origin}")
    _DEFINITIONS[definition.name] = definition
    return definition


def find_definition(name: str) -> ProcessDefinition:
    """Return the definition with this name.

    Raises:
        LookupError: no module that was imported defines it.
    """
    if name not in _DEFINITIONS:
        raise LookupError(f"no imported module defines the workflow {name!r}")
    return _DEFINITIONS[name]


def list_definitions() -> list[ProcessDefinition]:
    """Return all definitions, in the order of their names."""
    return [_DEFINITIONS[name] for name in sorted(_DEFINITIONS)]


@contextmanager
def keep_definitions(*, without_others: bool = False) -> Iterator[None]:
    """At the end of the block, restore the definitions from before the block. Tests use this.

    If `without_others`, there are no definitions at the start of the block, so that the block may use all names.
    """
    before = dict(_DEFINITIONS)
    if without_others:
        _DEFINITIONS.clear()
    try:
        yield
    finally:
        _DEFINITIONS.clear()
        _DEFINITIONS.update(before)


class LazyWorkflowInstance:
    """Imports a workflow by the names of its module and its function, at once and not lazily.

    LazyWorkflowInstance("my_package.workflows.node", "create_node_enrollment")
    """

    def __init__(self, package: str, function: str, is_callable: bool = True) -> None:
        self.package = package
        self.function = function
        self.definition: Any = getattr(import_module(package), function)
