"""What a step's call came to. The engine decides by it what is due next. (core)

StepSucceeded   the step cleared, with what it changes in the state
StepSkipped     its condition said no
StepWaits       something from outside has to come first: a form's input, a callback, an event, the next poll, a child
StepFailed      the state is that of before; a retry calls the step again
StepRepeats     it failed, and is called again by itself after a pause
StepAborts      the process ends here, for good
StepCompletes   the process is done
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from schemas.graph import WaitKind
from schemas.processes import Assignee, ProcessStatus
from schemas.subscriptions import SubscriptionDocument


@dataclass(frozen=True, kw_only=True)
class ChildStart:
    """A process that a step starts. Its id is known at once; it starts when the step's outcome is recorded."""

    process_id: UUID
    workflow: str
    pages: tuple[Mapping[str, Any], ...]
    user: str


@dataclass(frozen=True, kw_only=True)
class StepEffects:
    """What takes effect together with a step's success, or not at all."""

    models: tuple[SubscriptionDocument, ...] = ()
    children: tuple[ChildStart, ...] = ()
    #: Subscriptions that the process works on.
    related: tuple[UUID, ...] = ()


NO_EFFECTS = StepEffects()


@dataclass(frozen=True, kw_only=True)
class WaitTerms:
    """What a step waits for, and for how long."""

    kind: WaitKind
    name: str = ""
    correlation: str = ""
    timeout: timedelta | None = None
    #: For a poll: when the step is called again.
    every: timedelta | None = None
    #: Where the answer goes in the state; empty: its keys are merged into the state.
    result_key: str = ""
    assignee: Assignee = Assignee.SYSTEM
    #: For a fleet workflow: its request, and the events that it gets.
    request: Mapping[str, Any] | None = None
    events: tuple[Any, ...] = ()


@dataclass(frozen=True, kw_only=True)
class StepSucceeded:
    """The step has cleared: `changes` are merged over the state, and the keys in `removed` leave it."""

    changes: Mapping[str, Any]
    removed: tuple[str, ...] = ()
    #: Whether `changes` are the whole new state.
    replaces: bool = False
    effects: StepEffects = NO_EFFECTS


@dataclass(frozen=True)
class StepSkipped:
    """The step's condition said no: nothing was called."""


@dataclass(frozen=True)
class StepWaits:
    """The step waits, and changes nothing until the answer comes."""

    terms: WaitTerms


@dataclass(frozen=True, kw_only=True)
class StepFailed:
    """The step raised an error, and nothing of it takes effect."""

    error: Mapping[str, Any]
    status: ProcessStatus = ProcessStatus.FAILED
    assignee: Assignee = Assignee.SYSTEM


@dataclass(frozen=True, kw_only=True)
class StepRepeats:
    """The step raised an error and is called again after a pause, which its retry policy says."""

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
    """Return `state` after `outcome`: its changes replace keys as a whole, and removed keys are gone."""
    merged = dict(outcome.changes) if outcome.replaces else {**state, **outcome.changes}
    return {key: value for key, value in merged.items() if key not in outcome.removed}
