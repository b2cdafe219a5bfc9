"""Events as the tests send them."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from schemas.errors import EWMSError
from schemas.events import ControlEvent, Payload, QueuesActivated, TaskforceStop, WorkflowOver, build_event
from schemas.ids import EventId, TaskforceUuid, WorkflowId
from schemas.wire import event_to_bytes

WORKFLOW = WorkflowId("WF-1-00000001")
OVER = WorkflowOver(workflow_id=WORKFLOW)
ACTIVATED = QueuesActivated(workflow_id=WORKFLOW)


def stop(schedd: str) -> TaskforceStop:
    """Return an order for the TMS of `schedd`."""
    return TaskforceStop(
        taskforce_uuid=TaskforceUuid("TF-1-00000002-00000003-00000004"), schedd=schedd, cluster_id=None
    )


def event(payload: Payload, event_id: str) -> ControlEvent:
    """Return `payload` in an envelope."""
    return build_event(payload, event_id=EventId(event_id), source="ewms/test", time=datetime.now(UTC))


def of_a_later_version(payload: Payload, event_id: str) -> bytes:
    """Return the bytes of an event whose major version nobody knows yet."""
    raw = json.loads(event_to_bytes(event(payload, event_id)))
    return json.dumps({**raw, "dataschema": raw["dataschema"][:-1] + "99"}).encode()


class Recorder:
    """A handler that notes what it was given, and fails as often as it is told to."""

    def __init__(self, *, failing: Callable[[int], Exception | EWMSError | None] = lambda _: None) -> None:
        self.events: list[ControlEvent] = []
        self.n_calls = 0
        self._failing = failing

    @property
    def ids(self) -> list[Any]:
        """Return the ids of the events that were handled without an error."""
        return [each.id for each in self.events]

    async def __call__(self, each: ControlEvent) -> None:
        self.n_calls += 1
        if (error := self._failing(self.n_calls)) is not None:
            raise error
        self.events.append(each)
