"""Steps and step lists: `begin >> a >> b`. (core)

A step's key is its position in the list, because one step may stand in a list several times. A list is never changed:
`>>` makes a new one.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Self, overload

from ewms.steps.outcomes import WaitTerms
from schemas.graph import RetryPolicy
from schemas.processes import Assignee

Predicate = Callable[[dict[str, Any]], Any]


class StepKind(StrEnum):
    """What happens at a step's turn."""

    INIT = "init"
    STEP = "step"
    GROUP = "group"
    INPUT = "input"
    CALLBACK = "callback"
    EVENT = "event"
    POLL = "poll"
    WORKFLOW = "workflow"
    DONE = "done"


@dataclass(frozen=True)
class Guard:
    """Ask `predicate` about the state at the step's turn; if it says no, the step is skipped."""

    predicate: Predicate


@dataclass(frozen=True)
class Focus:
    """Show the step only the object under `key`, and put what it returns in there."""

    key: str


@dataclass(frozen=True, kw_only=True)
class Step:
    """One thing to do. Call it like its function: `my_step(node="a")` calls the function with that argument."""

    name: str
    kind: StepKind = StepKind.STEP
    function: Callable[..., Any] | None = None
    assignee: Assignee = Assignee.SYSTEM
    #: What stands around the step, the outermost first.
    scopes: tuple[Guard | Focus, ...] = ()
    #: How it is called again by itself after an error; None: it is not.
    retry: RetryPolicy | None = None
    wait: WaitTerms | None = None
    #: The state's key whose value an awaited event has to carry.
    correlation_key: str = ""
    members: "StepList | None" = None
    #: How many steps before this one a retry begins.
    retries_from: int = 0
    #: Whether the next step waits for an answer to what this one does, so that it gets the answer's address.
    gets_callback_route: bool = False
    #: Whether a worker calls the function in a process of its own.
    isolate: bool = False
    #: Whether a person with these rights may resume or retry it; None: who may start the workflow.
    authorize: Callable[[Any], bool] | None = field(default=None, compare=False)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self.function is None:
            raise TypeError(f"the step {self.name!r} has no function to call")
        return self.function(*args, **kwargs)

    def __rshift__(self, other: "Step | StepList") -> "StepList":
        return StepList((self,)) >> other

    def place_within(self, scope: Guard | Focus) -> Self:
        """Return the step with `scope` around all scopes that it has."""
        return replace(self, scopes=(scope, *self.scopes))


class StepList(Sequence[Step]):
    """Steps in the order in which they run.

    >>> len(begin >> init >> done)
    2
    """

    __slots__ = ("_steps",)

    def __init__(self, steps: Sequence[Step] = ()) -> None:
        if strangers := [item for item in steps if not isinstance(item, Step)]:
            raise TypeError(f"a step list holds steps; {_describe_stranger(strangers[0])}")
        self._steps = tuple(steps)

    def __rshift__(self, other: "Step | StepList") -> "StepList":
        if isinstance(other, Step):
            return StepList((*self._steps, other))
        if isinstance(other, StepList):
            return StepList((*self._steps, *other))
        raise TypeError(f"`>>` takes a step or a step list; {_describe_stranger(other)}")

    @overload
    def __getitem__(self, index: int) -> Step: ...
    @overload
    def __getitem__(self, index: slice) -> "StepList": ...
    def __getitem__(self, index: int | slice) -> "Step | StepList":
        return StepList(self._steps[index]) if isinstance(index, slice) else self._steps[index]

    def __len__(self) -> int:
        return len(self._steps)

    def __iter__(self) -> Iterator[Step]:
        return iter(self._steps)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, StepList) and self._steps == other._steps

    def __hash__(self) -> int:
        return hash(self._steps)

    def __repr__(self) -> str:
        return " >> ".join(["begin", *(repr(step.name) for step in self._steps)])


def _describe_stranger(other: object) -> str:
    if callable(other):
        name = getattr(other, "__name__", repr(other))
        return f'{name} is a plain function: write @step("...") above it'
    return f"it got {other!r}"


#: The empty list, with which each step list begins.
begin = StepList()

#: The first step of a process.
init = Step(name="Start", kind=StepKind.INIT)

#: The last step of a process. Nothing after it runs.
done = Step(name="Done", kind=StepKind.DONE)


def surround(steps: Step | StepList, scope: Guard | Focus) -> StepList:
    """Return `steps` with `scope` around each.

    Raises:
        TypeError: `done` is among them; it ends the list wherever it stands.
    """
    if any(step.kind is StepKind.DONE for step in begin >> steps):
        raise TypeError("`done` ends the step list, so it cannot stand in a condition or a focus")
    return StepList([step.place_within(scope) for step in (begin >> steps)])


def keys_of(steps: StepList) -> list[str]:
    """Return each step's key: its position, as text."""
    return [str(position) for position in range(len(steps))]


@dataclass(frozen=True)
class ScopedState:
    """The part of the state that a step sees. `is_wanted`: no condition around the step said no."""

    is_wanted: bool
    view: dict[str, Any]
    path: tuple[str, ...]


def enter_scopes(step: Step, state: Mapping[str, Any]) -> ScopedState:
    """Ask the conditions around `step`, the outermost first; the inner ones only if the outer said yes.

    Raises:
        KeyError: the step is focused on a key that the state has not; or whatever a condition raises.
        TypeError: the value under that key is no object.
    """
    view, path = dict(state), tuple[str, ...]()
    for scope in step.scopes:
        if isinstance(scope, Guard):
            if not scope.predicate(view):
                return ScopedState(False, view, path)
        else:
            inner = view[scope.key]
            if not isinstance(inner, Mapping):
                raise TypeError(f"the state's key {scope.key!r} holds no object for {step.name!r} to focus on")
            view, path = dict(inner), (*path, scope.key)
    return ScopedState(True, view, path)


def widen_changes(state: Mapping[str, Any], path: tuple[str, ...], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return `changes` of the object at `path` as changes of the whole `state`."""
    if not path:
        return dict(changes)
    key, *deeper = path
    inner = state[key]
    return {key: {**inner, **widen_changes(inner, tuple(deeper), changes)}}
