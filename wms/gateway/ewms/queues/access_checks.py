"""Check whether a caller can publish onto a public queue, or consume from it. (core)

The tasks decide the direction of a queue. They take events from inputs, so users publish onto inputs. They publish onto
outputs, so users consume from outputs (ruling 15). A token holds only these rights, and the broker refuses all else
without a reason. The errors of this module give the reason and the remedy.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from schemas.api.queues.profiles import Use
from schemas.errors import NotFound, Rejected, Unprocessable
from schemas.fleet.documents import QueuePlan, WorkflowDocument
from schemas.fleet.endings import outcome_words
from schemas.fleet.objects import MQProfile
from schemas.rules.complaints import alias_problem

#: In characters. The same as in a request for a workflow.
_MAX_ALIAS = 256


@dataclass(frozen=True, slots=True)
class QueueWish:
    """The queues that a caller asks for. If `alias` is None, it asks for all; if `use` is None, for any use."""

    alias: str | None = None
    use: Use | None = None


def parse_wish(parameters: Mapping[str, str]) -> QueueWish:
    """Return the queue and the use that the query parameters `alias` and `to` ask for.

    Raises:
        Rejected: `alias` is empty, too long or not printable; `to` is neither `publish` nor `consume`; or `to` comes
            without `alias`.
    """
    alias, use = parameters.get("alias"), parameters.get("to")
    if alias is not None and (not 0 < len(alias) <= _MAX_ALIAS or alias_problem(alias)):
        raise Rejected(f"'alias': must have 1 to {_MAX_ALIAS} printable characters")
    if use is None:
        return QueueWish(alias)
    if use not in list(Use):
        raise Rejected("'to': must be one of 'publish', 'consume'")
    if alias is None:
        raise Rejected("'to': needs 'alias', the name of the queue")
    return QueueWish(alias, Use(use))


def check_use(workflow: WorkflowDocument, wished: QueueWish) -> None:
    """Check that a public queue of `workflow` can be used as `wished`.

    Raises:
        NotFound: the workflow has no such queue.
        Unprocessable: the queue is private, has the other direction, or takes no more events.
    """
    if wished.alias is None:
        return
    queue = next((queue for queue in workflow.queues if queue.alias == wished.alias), None)
    if queue is None:
        raise no_such_queue(workflow.workflow_id, wished.alias, hint=_name_public_queues(workflow))
    name = f"queue '{queue.alias}' of {workflow.workflow_id}"
    if not queue.is_public:
        raise Unprocessable(
            f"{name} is private: only the workflow's own tasks use it",
            hint="a queue is public if the request for its workflow names it in 'public_queue_aliases'",
        )
    match wished.use:
        case Use.PUBLISH if not queue.is_input:
            raise Unprocessable(
                f"{name} is for consuming from: tasks publish onto it, and no task takes events from it",
                hint=_name_others(workflow, Use.PUBLISH),
            )
        case Use.PUBLISH if workflow.deactivated is not None:
            raise Unprocessable(
                f"{name} takes no more events: the workflow is "
                f"{outcome_words(workflow.deactivated, workflow.completion)}",
                hint="request a new workflow for further events",
            )
        case Use.PUBLISH if workflow.inputs_closed_at is not None:
            raise Unprocessable(
                f"{name} takes no more events: the workflow's inputs are closed",
                hint="request a new workflow for further events",
            )
        case Use.CONSUME if not queue.is_output:
            raise Unprocessable(
                f"{name} is for publishing onto: only the workflow's tasks may take events from it",
                hint=_name_others(workflow, Use.CONSUME),
            )
        case _:
            return


def check_not_gone(workflow: WorkflowDocument, wished: QueueWish, profiles: Sequence[MQProfile]) -> None:
    """Check that the queue to consume from is not gone for good. Its profile in `profiles` shows whether it exists.

    Raises:
        Unprocessable: the workflow has ended, and its queue is gone or was never created.
    """
    if wished.use is not Use.CONSUME or workflow.deactivated is None:
        return
    if any(profile.alias == wished.alias and not profile.is_activated for profile in profiles):
        raise Unprocessable(
            f"queue '{wished.alias}' of {workflow.workflow_id} is gone: "
            f"the workflow is {outcome_words(workflow.deactivated, workflow.completion)}, and its queue was deleted",
            hint="after the end a queue is deleted once it is empty and unused; events in it stay until the "
            "retention time is over",
        )


def no_such_queue(workflow_id: str, alias: str, *, hint: str = "") -> NotFound:
    """Return the error about a public queue that does not exist."""
    return NotFound(f"no public queue '{alias}' found of workflow with id: {workflow_id}", hint=hint)


def _may_use(queue: QueuePlan, use: Use) -> bool:
    return queue.is_public and (queue.is_input if use is Use.PUBLISH else queue.is_output)


def _name_others(workflow: WorkflowDocument, use: Use) -> str:
    verb = "publish onto" if use is Use.PUBLISH else "consume from"
    names = ", ".join(f"'{queue.alias}'" for queue in workflow.queues if _may_use(queue, use))
    return f"{verb} {names}" if names else f"the workflow has no public queue to {verb}"


def _name_public_queues(workflow: WorkflowDocument) -> str:
    names = ", ".join(f"'{queue.alias}'" for queue in workflow.queues if queue.is_public)
    return f"its public queues: {names}" if names else "it has no public queues"
