"""Ask MQS how many events the queues of a workflow hold."""

from runtime.bus.questions import Asks
from runtime.concurrency.shared_work import SharedWork
from schemas.api.queues.profiles import QueueDepths
from schemas.errors import Broken, NotFound
from schemas.ids import WorkflowId
from schemas.questions.bases import Answer, Question
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


class SharedDepths:
    """Asks as the bus does. Those who ask for the depths of a workflow at the same time share one question.

    For views only, because the queues may have been counted shortly before the last of them asked.
    """

    def __init__(self, bus: Asks) -> None:
        self._bus = bus
        self._questions = SharedWork(kept_for_s=0.0)

    async def ask(self, request: Question, *, to: str | None = None, timeout_s: float = 5.0) -> Answer:
        """Return the answer to `request`. See `Bus.ask`."""
        if not isinstance(request, DepthsQuery):
            return await self._bus.ask(request, to=to, timeout_s=timeout_s)
        key = (request.workflow_id, to)
        return await self._questions.find_result(key, lambda: self._bus.ask(request, to=to, timeout_s=timeout_s))
