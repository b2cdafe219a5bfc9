"""What can happen to a run: wishes of people, words of step workers and of children, and time. (core)"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from schemas.events import NodeEnded, NodeTaken
from schemas.ids import NodeKey, RunId
from schemas.runs import Outcome, WaitAnswer, WantKind


@dataclass(frozen=True, slots=True)
class Begin:
    """Somebody starts a run that was created, stopped or halted."""

    who: str = ""


@dataclass(frozen=True, slots=True)
class PutState:
    """Somebody sets keys of the state of a run that has not begun."""

    values: Mapping[str, Any]
    who: str = ""


@dataclass(frozen=True, slots=True)
class Wish:
    """Somebody stops the run after the node under way, or cancels it."""

    kind: WantKind
    who: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True)
class Resume:
    """Somebody brings on a run that goes on by itself only later, or not at all; perhaps with input."""

    who: str = ""
    #: What the form gave: the answer to a wait for input, else merged into the state.
    given: Mapping[str, Any] | None = None
    #: Only this node; None: whatever holds the run up.
    node: NodeKey | None = None


@dataclass(frozen=True, slots=True)
class WaitAnswered:
    """Something from outside answers the wait of a node. A callback brings its `token`."""

    node: NodeKey
    answer: WaitAnswer
    token: str | None = None


@dataclass(frozen=True, slots=True)
class ChildStarted:
    """What the node starts has an id now."""

    node: NodeKey
    attempt: int
    run: RunId | None = None
    workflow_id: str | None = None


@dataclass(frozen=True, slots=True)
class ChildEnded:
    """The child of a node is over, or could not be started."""

    node: NodeKey
    attempt: int
    outcome: Outcome
    artifacts: Mapping[str, Any] = field(default_factory=dict)
    explanation: str = ""


@dataclass(frozen=True, slots=True)
class Unserved:
    """No step worker that is there offers the function of a node that is due."""

    node: NodeKey
    attempt: int
    why: str


@dataclass(frozen=True, slots=True)
class StepWorkerGone:
    """This step worker has been silent for too long, so nobody works on what it took."""

    worker: str


@dataclass(frozen=True, slots=True)
class TimePassed:
    """The run's `wake_at` has come, or something asks for an earlier look."""


#: What can happen to a run.
RunStimulus = (
    Begin
    | PutState
    | Wish
    | Resume
    | WaitAnswered
    | ChildStarted
    | ChildEnded
    | Unserved
    | StepWorkerGone
    | TimePassed
    | NodeTaken
    | NodeEnded
)
