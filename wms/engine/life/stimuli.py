"""The stimuli of a run: wishes of people, reports of step workers and of children, and time. (core)"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from schemas.engine.runs import NodeError, Outcome, WaitAnswer, WantKind
from schemas.events import NodeEnded, NodeReturned, NodeTaken
from schemas.ids import NodeKey, RunId

#: If no step worker offers a node's function, the engine looks again after this time, or when a worker comes.
UNSERVED_PAUSE = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Begin:
    """A person starts a run that was created, stopped or halted."""

    who: str = ""


@dataclass(frozen=True, slots=True)
class PutState:
    """A person sets keys of the state of a run that has not begun."""

    values: Mapping[str, Any]
    who: str = ""


@dataclass(frozen=True, slots=True)
class LaunchFormFilled:
    """A step worker has accepted the pages of the run's form. The run begins with the form's values."""

    values: Mapping[str, Any]
    who: str = ""


@dataclass(frozen=True, slots=True)
class LaunchFormRefused:
    """A step worker has refused the pages of the run's form, so the run never begins."""

    error: NodeError


@dataclass(frozen=True, slots=True)
class Wish:
    """A person asks to stop or to cancel the run. A node that is running ends first."""

    kind: WantKind
    who: str = ""
    why: str = ""
    #: Whether the run above asks, because a person has canceled that one or its node has moved on.
    is_from_above: bool = False


@dataclass(frozen=True, slots=True)
class WriteNote:
    """A person replaces the note about a run. The run may be over."""

    note: str
    who: str = ""


@dataclass(frozen=True, slots=True)
class Resume:
    """A person continues a run that would continue only later, or not at all. The person may give input."""

    who: str = ""
    #: The values of the form. They answer a wait for input; without such a wait they are merged into the state.
    given: Mapping[str, Any] | None = None
    #: Resume only this node; None: every node that holds the run up.
    node: NodeKey | None = None


@dataclass(frozen=True, slots=True)
class WaitAnswered:
    """A person or another system answers the wait of a node. A callback has a `token`."""

    node: NodeKey
    answer: WaitAnswer
    token: str | None = None


@dataclass(frozen=True, slots=True)
class CallbackProgress:
    """The system that will answer a callback reports its progress."""

    node: NodeKey
    token: str
    progress: Any


@dataclass(frozen=True, slots=True)
class ChildStarted:
    """The child of a node has started, and has an id."""

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
    #: The names of the secret ones among these.
    masked: tuple[str, ...] = ()
    explanation: str = ""
    #: What the state gets under the node's `result_key`, if the child ended well.
    result: Any = None


@dataclass(frozen=True, slots=True)
class Unserved:
    """A due node cannot run: no present step worker offers its function, or a worker without the function got the
    order.
    """

    node: NodeKey
    attempt: int
    why: str
    #: When the engine sends the node again by itself.
    again_after: timedelta = UNSERVED_PAUSE


@dataclass(frozen=True, slots=True)
class StepWorkerCame:
    """A step worker of this pool has come, so nodes that no worker could run need not wait any longer."""

    pool: str


@dataclass(frozen=True, slots=True)
class StepWorkerGone:
    """This step worker has been silent for too long, so it counts as lost. Its nodes must be sent again."""

    worker: str


@dataclass(frozen=True, slots=True)
class TimePassed:
    """The run's `wake_at` has come, or WMS checks the run earlier for another reason."""


#: Everything that can happen to a run.
RunStimulus = (
    Begin
    | PutState
    | LaunchFormFilled
    | LaunchFormRefused
    | Wish
    | WriteNote
    | Resume
    | WaitAnswered
    | CallbackProgress
    | ChildStarted
    | ChildEnded
    | Unserved
    | StepWorkerCame
    | StepWorkerGone
    | TimePassed
    | NodeTaken
    | NodeReturned
    | NodeEnded
)
