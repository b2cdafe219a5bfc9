"""Use the public queues of a step's workflow, as the workflow's owner: publish its events, and read its results.

If a crash comes while events are published, all of them are published again, each with its first id. Results stay in
their queue: the owner may consume them after the step has read them.
"""

import json
import uuid
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from runtime.amqp import Connection, NotDeclared
from runtime.amqp.borrowing import EventSource, borrow_events
from runtime.bus.questions import Asks
from schemas.api.workflows.requests import WorkflowRequest
from schemas.broker.topology import event_exchange
from schemas.errors import Broken, NotFound, Rejected, Unavailable
from schemas.fleet.objects import MQProfile
from schemas.ids import Alias, WorkflowId
from schemas.payloads.data_events import JSON
from schemas.questions.queues import ProfilesAnswer, ProfilesQuery
from wms.fleet.stalls.depth_questions import ask_depths

#: What the ids of the events are made from, together with the workflow's id and the event's place.
_EVENTS = uuid.UUID("0d0a4a5c-6f1e-4a39-8a86-5b7a3c6c1f02")
_WAIT_S = 10.0

#: When no further result has come for this time (seconds), the queue has no more.
_QUIET_S = 1.0
#: The most that a step gets of the results (bytes). A state may have 1 MiB in all.
MAX_RESULT_BYTES = 256 * 1024


class WorkflowQueues:
    """The queues of workflows. MQS gives the tokens."""

    def __init__(self, asks: Asks) -> None:
        self._asks = asks

    async def publish(self, workflow_id: WorkflowId, owner: str, alias: str, events: Sequence[Any]) -> None:
        """Publish `events` into the input queue `alias`. Return when the broker has all of them.

        Raises:
            Unavailable: MQS or the broker does not answer, or the queue is not active yet.
        """
        profile = await self._find_queue(workflow_id, owner, alias)
        if profile is None:
            raise Unavailable(f"the queue {alias!r} of {workflow_id} is not open yet")
        async with open_connection(profile) as connection:
            publisher = connection.open_publisher()
            for number, payload in enumerate(events):
                await publisher.publish(
                    event_exchange(profile.mqid),
                    profile.mqid,
                    json.dumps(payload).encode(),
                    message_id=make_event_id(workflow_id, number),
                    content_type=JSON,
                )

    async def read_results(self, workflow_id: WorkflowId, owner: str, alias: str, n: int) -> list[Any]:
        """Return the first `n` results that wait in the queue `alias`, and at most `MAX_RESULT_BYTES` of them.

        All of them stay in the queue. If the queue does not exist, return an empty list.

        Raises:
            Unavailable: MQS or the broker does not answer.
        """
        try:
            profile = await self._find_queue(workflow_id, owner, alias)
        except NotFound:
            return []
        if profile is None:
            return []
        async with open_connection(profile) as connection:
            try:
                return await collect_results(connection, profile.mqid, n)
            except NotDeclared:
                return []

    async def _find_queue(self, workflow_id: WorkflowId, owner: str, alias: str) -> MQProfile | None:
        return (await self.find_queues(workflow_id, owner)).get(Alias(alias))

    async def find_queues(self, workflow_id: WorkflowId, owner: str) -> dict[Alias, MQProfile]:
        """Return the public queues of a workflow that are open, by alias, with fresh tokens of its owner.

        Raises:
            NotFound: MQS has no queues of this workflow.
            Unavailable: MQS does not answer.
        """
        answer = await self._asks.ask(ProfilesQuery(workflow_id=workflow_id, subject=owner))
        if not isinstance(answer, ProfilesAnswer):
            raise Broken(f"MQS answered {answer.kind} to a question about queues")
        return {one.alias: one for one in answer.profiles if one.is_activated and one.auth_token}

    async def is_empty(self, workflow_id: WorkflowId, alias: str) -> bool:
        """Return whether no event is in the queue `alias`, or lent to a consumer. A queue that is gone has none.

        Raises:
            Unavailable: MQS does not answer.
        """
        depths = await ask_depths(self._asks, workflow_id)
        found = [] if depths is None else [one for one in depths.queues if one.alias == alias]
        return not any(one.n_ready or one.n_unacknowledged for one in found)


@asynccontextmanager
async def open_connection(profile: MQProfile) -> AsyncIterator[Connection]:
    """Connect to the broker of a queue for the block, with the token of this queue."""
    name = f"ewms wms for {profile.workflow_id}"
    connection = await Connection.connect(
        profile.broker_address or "", token=profile.auth_token, name=name, wait_s=_WAIT_S
    )
    try:
        yield connection
    finally:
        await connection.close()


async def collect_results(connection: EventSource, queue: str, n: int) -> list[Any]:
    """Return the first `n` results that wait in `queue`, and at most `MAX_RESULT_BYTES` of them. All stay in the queue.

    Raises:
        NotDeclared: the queue does not exist.
    """
    seen = await borrow_events(connection, queue, n, quiet_s=_QUIET_S, max_bytes=MAX_RESULT_BYTES)
    return list(cut_results((delivery.body, delivery.content_type) for delivery in seen))


def cut_results(bodies: Iterable[tuple[bytes, str]]) -> Iterable[Any]:
    """Yield the payloads of results, until they would be too large for a state. `bodies` are pairs of body and content
    type.

    A payload that is not JSON is yielded as text; bytes that are no text become `\ufffd`.
    """
    left = MAX_RESULT_BYTES
    for body, content_type in bodies:
        left -= len(body)
        if left < 0:
            return
        text = body.decode(errors="replace")
        try:
            yield json.loads(text, parse_constant=_refuse_constant) if content_type in ("", JSON) else text
        except ValueError:
            yield text


def _refuse_constant(constant: str) -> Any:
    raise ValueError(f"{constant} is no JSON")


def make_event_id(workflow_id: WorkflowId, number: int) -> str:
    """Return the id of the event with this number: the same each time."""
    return str(uuid.uuid5(_EVENTS, f"{workflow_id}/{number}"))


def find_first_input(request: WorkflowRequest) -> str:
    """Return the alias of the first public queue from which a task of the workflow takes events.

    Raises:
        Rejected: there is no such queue.
    """
    inputs = {alias for task in request.tasks for alias in task.input_queue_aliases}
    for alias in request.public_queue_aliases:
        if alias in inputs:
            return alias
    raise Rejected(
        "the step brings events, and no public queue of its workflow is an input of a task",
        hint="name an input in `public`",
    )


def find_first_output(request: WorkflowRequest) -> str | None:
    """Return the alias of the first public queue that is an output and no input of tasks. Return None if there is
    none.
    """
    inputs = {alias for task in request.tasks for alias in task.input_queue_aliases}
    outputs = {alias for task in request.tasks for alias in task.output_queue_aliases} - inputs
    return next((alias for alias in request.public_queue_aliases if alias in outputs), None)
