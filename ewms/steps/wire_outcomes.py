"""Turn a step's outcome into the fields of the event `node.ended`. (core)"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from ewms.steps.outcomes import (
    ChildStart,
    StepAborts,
    StepCompletes,
    StepFailed,
    StepOutcome,
    StepRepeats,
    StepSkipped,
    StepSucceeded,
    StepWaits,
)
from schemas.engine.graph import WaitKind
from schemas.engine.runs import ChildRequest, NodeError, Outcome, WantedWorkflow
from schemas.ids import RunUuid

#: Parts of an error that have fields of their own.
_OWN = {"class": "error_class", "error": "message", "traceback": "traceback"}


def describe_outcome(outcome: StepOutcome, state: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of `node.ended` for `outcome`. `state` is the state before the step."""
    match outcome:
        case StepSucceeded(changes=changes, effects=effects):
            removed = {*outcome.removed, *(key for key in state if outcome.replaces and key not in changes)}
            found: dict[str, Any] = {
                "outcome": Outcome.SUCCESSFUL,
                "delta": {key: value for key, value in changes.items() if key not in removed},
                "removed": tuple(sorted(removed)),
                "models": tuple(model.model_dump(mode="json") for model in effects.models),
                "children": tuple(map(_describe_child, effects.children)),
                "events": tuple(
                    {"name": one.name, "correlation": one.correlation, "body": one.body} for one in effects.events
                ),
            }
            if effects.related:
                found["subscriptions"] = tuple(str(one) for one in effects.related)
            return found
        case StepSkipped():
            return {"outcome": Outcome.SKIPPED}
        case StepCompletes():
            return {"outcome": Outcome.SUCCESSFUL}
        case StepAborts(reason=reason):
            return {
                "outcome": Outcome.CANCELED,
                "error": NodeError(error_class="ProcessAborted", message=reason),
            }
        case StepFailed(error=error, status=status, assignee=assignee):
            return {
                "outcome": Outcome.FAILED,
                "error": describe_failure({**error, "status": str(status), "assignee": str(assignee)}),
            }
        case StepRepeats(error=error):
            return {"outcome": Outcome.FAILED, "error": describe_failure(error)}
        case StepWaits(terms=terms):
            if terms.kind is WaitKind.CHILD:
                # The next node runs the workflow, and waits for its end.
                wanted = WantedWorkflow(
                    request=dict(terms.request or {}),
                    events=terms.events,
                    max_dead_letters=terms.max_dead_letters,
                    max_results=terms.max_results,
                )
                return {"outcome": Outcome.SUCCESSFUL, "artifacts": wanted.as_artifacts()}
            return {"outcome": Outcome.PENDING, "poll_after_s": (terms.every or timedelta()).total_seconds()}


def describe_failure(error: Mapping[str, Any]) -> NodeError:
    """Return a step's error in the form that `node.ended` has."""
    own = {name: str(error.get(key, "")) for key, name in _OWN.items()}
    return NodeError(**own, details={key: value for key, value in error.items() if key not in _OWN})


def _describe_child(child: ChildStart) -> ChildRequest:
    return ChildRequest(
        uuid=RunUuid(str(child.process_id)),
        definition=child.workflow,
        params={"pages": [dict(page) for page in child.pages]},
        who=child.user,
    )
