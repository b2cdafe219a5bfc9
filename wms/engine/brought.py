"""What changes together with a run, in one transaction: subscriptions and events of a step, and records. (core)

`wms.processes` and `wms.trees` plan these changes. The engine commits them, and does not read their content.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from runtime.kernel.decision import Change
from schemas.engine.run_documents import RunDocument
from schemas.errors import Rejected
from schemas.events import NodeEnded, Payload
from wms.engine.life.open_run import OpenRun, RunDecision
from wms.engine.life.stimuli import RunStimulus

if TYPE_CHECKING:
    from runtime.kernel.store import Transaction


#: Returns what is stored together with the decision about a stimulus. The run is as it was before.
RecordsChanges = Callable[[OpenRun, RunStimulus, RunDecision], Awaitable[Sequence[Change]]]


class StepRefused(Rejected):
    """The engine cannot store the changes of the step, so the step fails. The step's error has this class and
    reason.
    """

    def __init__(self, error_class: str, reason: str) -> None:
        super().__init__(reason)
        self.error_class = error_class


@dataclass(frozen=True, slots=True)
class BroughtChanges:
    """The changes that the commit of a step makes in addition to the change of its run."""

    changes: tuple[Change, ...] = ()
    events: tuple[Payload, ...] = ()


class KeepsSubscriptions(Protocol):
    """Plans how the commit of a step changes subscriptions and events, and loads the subscriptions that a step
    needs.
    """

    async def plan_commit(self, run: RunDocument, ended: NodeEnded, tx: "Transaction") -> BroughtChanges:
        """Return the changes that the commit of `ended` must make. `tx` reads stored documents.

        The engine may call this again.

        Raises:
            StepRefused: the subscriptions cannot be stored as the step wants.
        """
        ...

    async def load_for_step(self, related: Sequence[str], state: dict[str, Any]) -> tuple[dict[str, Any], ...]:
        """Return the subscriptions that a step works on, each as JSON.

        These are the ones that `state` names, and those with the ids `related`, which belong to the step's run.
        """
        ...
