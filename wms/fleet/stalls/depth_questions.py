"""Ask MQS how many events the queues of a workflow hold."""

from runtime.bus.questions import Asks
from schemas.api.queues.profiles import QueueDepths
from schemas.errors import Broken, NotFound
from schemas.ids import WorkflowId
from schemas.questions.queues import DepthsAnswer, DepthsQuery


async def ask_depths(mqs: Asks, workflow_id: WorkflowId) -> QueueDepths | None:
    """Ask MQS for the depths of a workflow's queues, and return them. Return None if MQS does not know the queues
    (yet).

    Raises:
        Unavailable: MQS does not answer.
        Broken: MQS answers another question.
    """
    try:
        match await mqs.ask(DepthsQuery(workflow_id=workflow_id)):
            case DepthsAnswer() as depths:
                return QueueDepths.model_validate({"workflow_id": workflow_id, **depths.model_dump(exclude={"kind"})})
            case other:
                raise Broken(f"MQS answered {other.kind} to a question for depths")
    except NotFound:
        return None
