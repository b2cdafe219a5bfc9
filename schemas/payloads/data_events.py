"""An event on a message queue. The payload is the body; all other data are in AMQP properties.

body            the payload's bytes, unchanged content_type    the kind of the bytes: application/json, text/plain,
application/octet-stream. Existing message clients
                set none, and pack the payload in their own way: see `schemas.payloads.legacy_wire`
message_id      the event's id; a repeated event keeps it headers         `x-ewms-parent` (the id of the input event),
`traceparent`; on traced events also `x-ewms-root` and `x-ewms-sent-at`; on dead letters also `x-ewms-dead-*`
"""

import hashlib
import re
import uuid
from dataclasses import dataclass, field
from enum import StrEnum

from schemas.ids import EventId, TaskId

JSON = "application/json"
TEXT = "text/plain"
BINARY = "application/octet-stream"

#: The values that EWMS reads in AMQP headers.
HeaderValue = str | int | float | bool | bytes | list[str]


class Header(StrEnum):
    """The headers that EWMS sets or reads on an event."""

    PARENT = "x-ewms-parent"
    TRACE = "traceparent"
    #: The first event of the family of a traced event, and when this event was published (milliseconds since 1970).
    #: Events that are not traced have neither.
    ROOT = "x-ewms-root"
    SENT_AT = "x-ewms-sent-at"
    #: A publisher can set this header: the event's name in the publisher's own data.
    KEY = "x-ewms-key"
    #: MQS sets this header on a dead letter that returns to its queue: the number of replays.
    REPLAYS = "x-ewms-replays"
    #: The broker sets this header: how many earlier attempts a quorum queue has counted; absent at the first delivery.
    DELIVERY_COUNT = "x-delivery-count"
    #: The broker sets this header: the number of earlier deliveries, also of those that do not count as attempts.
    ACQUIRED_COUNT = "x-acquired-count"
    #: The broker sets these headers on its own dead letters: the reason, and the queue.
    FIRST_DEATH_REASON = "x-first-death-reason"
    FIRST_DEATH_QUEUE = "x-first-death-queue"
    #: A pilot sets these headers on the events that it gives up.
    DEAD_REASON = "x-ewms-dead-reason"
    DEAD_ERROR = "x-ewms-dead-error"
    DEAD_ATTEMPTS = "x-ewms-dead-attempts"
    DEAD_QUEUE = "x-ewms-dead-queue"
    DEAD_TASK = "x-ewms-dead-task"
    DEAD_TASKFORCE = "x-ewms-dead-taskforce"
    DEAD_WORKER = "x-ewms-dead-worker"
    DEAD_AT = "x-ewms-dead-at"
    #: A service sets this header on a control event that it sets aside: the broker user who sent the event.
    SENDER = "x-ewms-sender"


class DeadReason(StrEnum):
    """Why a pilot gave an event up."""

    TASK_FAILED = "task-failed"
    TASK_TIMED_OUT = "task-timed-out"
    #: The task worked on the event for a worker's whole runtime, and did not finish.
    TASK_OUTLIVED_WORKER = "task-outlived-worker"
    #: The worker used more memory than `worker_memory`.
    OUT_OF_MEMORY = "task-out-of-memory"
    #: Worker after worker ended while it had the event.
    KILLED_WORKERS = "killed-workers"
    UNREADABLE = "unreadable"
    OUTPUT_TOO_LARGE = "output-too-large"
    OUTPUT_UNREADABLE = "output-unreadable"


@dataclass(frozen=True, slots=True)
class DataEvent:
    """One event in a queue. `id` is empty only for events of clients that set no message id."""

    body: bytes
    id: EventId
    content_type: str = BINARY
    headers: dict[str, HeaderValue] = field(default_factory=dict)

    @property
    def attempt(self) -> int:
        """The number of this attempt at the event, from 1."""
        count = self.headers.get(Header.DELIVERY_COUNT, 0)
        return (count if isinstance(count, int) else 0) + 1


#: A UUID as it is written almost always. `uuid.UUID` reads more forms, and takes longer.
_PLAIN_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.ASCII)


def output_id(parent: EventId, task: TaskId, index: int) -> EventId | None:
    """Return the id of a task's output number `index` for the input event `parent`. The id is the same in every run.

    Return None if `parent` is not a UUID. Then the caller draws a random id.

    The id is the UUID of version 5 (RFC 9562, 5.5) with `parent` as its namespace.
    """
    if _PLAIN_UUID.fullmatch(parent):
        namespace = bytes.fromhex(parent.replace("-", ""))
    else:
        try:
            namespace = uuid.UUID(parent).bytes
        except ValueError:
            return None
    digest = hashlib.sha1(namespace + f"{task}/{index}".encode(), usedforsecurity=False).hexdigest()
    variant = "89ab"[int(digest[16], 16) & 3]
    return EventId(f"{digest[:8]}-{digest[8:12]}-5{digest[13:16]}-{variant}{digest[17:20]}-{digest[20:32]}")
