"""Steps and step lists: `begin >> a >> b`. (core)

A step's key is its position in the list, because a step may occur several times in a list. A list never changes: `>>`
makes a new list.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Self, overload

from ewms.steps.outcomes import WaitTerms
from schemas.engine.graph import RetryPolicy
from schemas.engine.processes import Assignee

Predicate = Callable[[dict[str, Any]], Any]


class StepKind(StrEnum):
    """The kinds of steps. The engine decides by the kind what to do when the process comes to the step."""

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
    """A condition: the process calls `predicate` with the state before the step, and skips the step if the result is
    false.
    """

    predicate: Predicate


@dataclass(frozen=True)
class Focus:
    """The step sees only the object under `key`, and its result is merged into that object."""

    key: str


@dataclass(frozen=True, kw_only=True)
class Step:
    """One piece of work in a list. A call such as `my_step(node="a")` calls the step's function."""

    name: str
    kind: StepKind = StepKind.STEP
    function: Callable[..., Any] | None = None
    assignee: Assignee = Assignee.SYSTEM
    #: The conditions and focuses around the step, the outermost first.
    scopes: tuple[Guard | Focus, ...] = ()
    #: When the engine calls the step again after an error; None: never by itself.
    retry: RetryPolicy | None = None
    wait: WaitTerms | None = None
    #: The state's key whose value an awaited event must carry.
    correlation_key: str = ""
    members: "StepList | None" = None
    #: How many steps before this one a retry begins.
    retries_from: int = 0
    #: Whether the next step waits for an answer to this one. Then this step gets the answer's address.
    gets_callback_route: bool = False
    #: Whether a worker calls the function in a process of its own.
    isolate: bool = False
    #: Whether a person with these rights may resume or retry the step. None: anybody may who may start the workflow.
    authorize: Callable[[Any], bool] | None = field(default=None, compare=False)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self.function is None:
            raise TypeError(f"the step {self.name!r} has no function to call")
        return self.function(*args, **kwargs)

    def __rshift__(self, other: "Step | StepList") -> "StepList":
        return StepList((self,)) >> other

    def place_within(self, scope: Guard | Focus) -> Self:
        """Return the step with `scope` as its outermost scope."""
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


def place_within_scope(steps: Step | StepList, scope: Guard | Focus) -> StepList:
    """Return `steps`, with each step wrapped in `scope`.

    Raises:
        TypeError: the steps contain `done`, which ends the whole step list.
    """
    if any(step.kind is StepKind.DONE for step in begin >> steps):
        raise TypeError("`done` ends the step list, so it cannot stand in a condition or a focus")
    return StepList([step.place_within(scope) for step in (begin >> steps)])


def keys_of(steps: StepList) -> list[str]:
    """Return the key of each step: its position, as text."""
    return [str(position) for position in range(len(steps))]


@dataclass(frozen=True)
class ScopedState:
    """The part of the state that a step sees, and its path in the state. If not `is_wanted`, a condition is false."""

    is_wanted: bool
    view: dict[str, Any]
    path: tuple[str, ...]


def enter_scopes(step: Step, state: Mapping[str, Any]) -> ScopedState:
    """Evaluate the conditions around `step`, the outermost first, up to the first that is false. Return what the step
    sees.

    Raises:
        KeyError: the step is focused on a key that the state lacks.
        TypeError: the value under that key is no object.
        Exception: an exception of a condition passes through.
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
    """Return `changes`, which are about the object at `path` in `state`, as changes of `state` itself.

    For the path `("a",)` and the changes `{"x": 1}` the result is `{"a": {**state["a"], "x": 1}}`.
    """
    if not path:
        return dict(changes)
    key, *deeper = path
    inner = state[key]
    return {key: {**inner, **widen_changes(inner, tuple(deeper), changes)}}
