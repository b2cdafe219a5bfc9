"""Read from the run of a build, or of a look at a source, how far it is. (core)

the run                          what it means
created, running, waiting        it goes on; a step that is tried again says why
successful                       it has ended well, if it has left in its state what it must
halted, failed, error            it has failed, with the message of the step's error
canceled, stopped                it has failed: somebody has ended it
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from schemas.automation.builds import COMMIT_KEY, IMAGE_KEY, SYNCED_KEY, BuiltImage, FoundCommit, SyncedImage
from schemas.automation.catalogue import MAX_REASON
from schemas.engine.run_documents import RunDocument
from schemas.engine.runs import NODE_OPEN, NodeState, NodeStatus, RunStatus

_FAILED = (RunStatus.HALTED, RunStatus.FAILED, RunStatus.ERROR)
_ENDED_BADLY = (NodeStatus.HALTED, NodeStatus.FAILED, NodeStatus.ERROR)

Left = TypeVar("Left", bound=BaseModel)


class RunProgress(StrEnum):
    """How far a run is."""

    GOES_ON = "goes-on"
    ENDED_WELL = "ended-well"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunNews:
    """How far a run is, and what it has left so far."""

    progress: RunProgress = RunProgress.GOES_ON
    #: Why it failed, or what it waits for.
    reason: str = ""
    commit: FoundCommit | None = None
    image: BuiltImage | None = None
    synced: Mapping[str, SyncedImage] = field(default_factory=dict)


def read_run(run: RunDocument) -> RunNews:
    """Return how far `run` is."""
    try:
        found = RunNews(
            commit=_read_left(run.state, COMMIT_KEY, FoundCommit),
            image=_read_left(run.state, IMAGE_KEY, BuiltImage),
            synced=_read_synced(run.state.get(SYNCED_KEY)),
        )
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors()[:3])
        return RunNews(
            progress=RunProgress.FAILED, reason=f"the builder's answer cannot be read: {faults}"[:MAX_REASON]
        )
    progress, reason = _judge(run)
    return RunNews(
        progress=progress, reason=reason[:MAX_REASON], commit=found.commit, image=found.image, synced=found.synced
    )


def _judge(run: RunDocument) -> tuple[RunProgress, str]:
    if run.status is RunStatus.SUCCESSFUL:
        return RunProgress.ENDED_WELL, ""
    if run.status in _FAILED:
        bad = next((node for node in run.nodes if node.status in _ENDED_BADLY), None)
        return RunProgress.FAILED, _explain(bad) or run.explanation or "the builder's run has failed without a reason"
    if run.status in (RunStatus.CANCELED, RunStatus.STOPPED):
        by = f" by {run.want.who}" if run.want is not None and run.want.who else ""
        why = f": {run.want.why}" if run.want is not None and run.want.why else ""
        return RunProgress.FAILED, f"the builder's run was {run.status.value}{by}{why}"
    opened = next((node for node in run.nodes if node.status in NODE_OPEN), None)
    return RunProgress.GOES_ON, _explain(opened) or run.explanation


def _explain(node: NodeState | None) -> str:
    if node is None:
        return ""
    return node.error.message if node.error is not None and node.error.message else node.explanation


def _read_left(state: Mapping[str, Any], key: str, model: type[Left]) -> Left | None:
    return None if state.get(key) is None else model.model_validate(state[key])


def _read_synced(left: Any) -> dict[str, SyncedImage]:
    if not isinstance(left, Mapping):
        return {}
    return {str(location): SyncedImage.model_validate(each) for location, each in left.items()}
