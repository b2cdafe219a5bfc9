"""The outcome of a step's call. It tells the engine what to do next. (core)

StepSucceeded   the step cleared, with its changes of the state
StepSkipped     the step's condition is false
StepWaits       the step waits for something from outside: input, a callback, an event, the next poll, a workflow
StepFailed      the step failed and changes nothing; a retry calls it again
StepRepeats     the step failed, and the engine calls it again after a pause
StepAborts      the step ends the process for good
StepCompletes   the process is done
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from schemas.engine.graph import WaitKind
from schemas.engine.processes import Assignee, ProcessStatus
from schemas.engine.subscriptions import SubscriptionDocument


@dataclass(frozen=True, kw_only=True)
class ChildStart:
    """A process that a step starts. The step gets the id at once. The process starts when the step's outcome is
    recorded.
    """

    process_id: UUID
    workflow: str
    pages: tuple[Mapping[str, Any], ...]
    user: str


@dataclass(frozen=True, kw_only=True)
class StatedEvent:
    """An event that a step publishes. WMS sends it when the step's outcome is recorded."""

    name: str
    body: Any = None
    correlation: str = ""


@dataclass(frozen=True, kw_only=True)
class StepEffects:
    """The effects of a step. They take effect together with the step's success, or not at all."""

    models: tuple[SubscriptionDocument, ...] = ()
    children: tuple[ChildStart, ...] = ()
    events: tuple[StatedEvent, ...] = ()
    #: Subscriptions that the process works on.
    related: tuple[UUID, ...] = ()


NO_EFFECTS = StepEffects()


@dataclass(frozen=True, kw_only=True)
class WaitTerms:
    """What a step waits for, and how long at most."""

    kind: WaitKind
    name: str = ""
    correlation: str = ""
    timeout: timedelta | None = None
    #: For a poll: after which time the engine calls the step again.
    every: timedelta | None = None
    #: The key of the state that gets the answer; empty: the answer's keys are merged into the state.
    result_key: str = ""
    assignee: Assignee = Assignee.SYSTEM
    #: For a fleet workflow: its request, and the events that it gets.
    request: Mapping[str, Any] | None = None
    events: tuple[Any, ...] = ()
    #: How many dead letters it may have and still be a success, and how many of its results the state gets at most.
    max_dead_letters: int = 0
    max_results: int = 0


@dataclass(frozen=True, kw_only=True)
class StepSucceeded:
    """The step has cleared. `changes` replace keys of the state, and the keys in `removed` leave it."""

    changes: Mapping[str, Any]
    removed: tuple[str, ...] = ()
    #: Whether `changes` are the whole new state.
    replaces: bool = False
    effects: StepEffects = NO_EFFECTS


@dataclass(frozen=True)
class StepSkipped:
    """A condition around the step is false, so the step's function was not called."""


@dataclass(frozen=True)
class StepWaits:
    """The step waits, and changes nothing until the answer comes."""

    terms: WaitTerms


@dataclass(frozen=True, kw_only=True)
class StepFailed:
    """The step raised an error. It changes nothing."""

    error: Mapping[str, Any]
    status: ProcessStatus = ProcessStatus.FAILED
    assignee: Assignee = Assignee.SYSTEM


@dataclass(frozen=True, kw_only=True)
class StepRepeats:
    """The step raised an error. The engine calls it again after the pause of its retry policy."""

    error: Mapping[str, Any]


@dataclass(frozen=True)
class StepAborts:
    """The step ends the process for good, for `reason`."""

    reason: str


@dataclass(frozen=True)
class StepCompletes:
    """The step list is done."""


StepOutcome = StepSucceeded | StepSkipped | StepWaits | StepFailed | StepRepeats | StepAborts | StepCompletes


def merge_outcome(state: Mapping[str, Any], outcome: StepSucceeded) -> dict[str, Any]:
    """Return `state` after `outcome`: `changes` replace whole keys, and the keys in `removed` are removed."""
    merged = dict(outcome.changes) if outcome.replaces else {**state, **outcome.changes}
    return {key: value for key, value in merged.items() if key not in outcome.removed}
