"""The history of queues, for plots, and one queue as it is now."""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from schemas.api.queues.profiles import QueueDepth
from schemas.fleet.objects import Object
from schemas.questions.queues import QueueHistory


class QueueHistories(Object):
    """The answer of GET /workflows/{id}/queues/history: points of a plot for each queue, in columns.

    A stretch in which MQS counted nothing has no point. Raw counts of every 15 s are kept for a day, counts of every
    minute for 30 days.
    """

    workflow_id: str
    since: datetime
    until: datetime
    queues: list[QueueHistory]


class QueueSeen(QueueDepth):
    """The answer of GET /queues/{mqid}: a queue as it is now. Rates are those of the last two minutes."""

    workflow_id: str
    in_per_s: Annotated[float | None, Field(description="Events that come, a second; null: not sampled yet.")]
    out_per_s: Annotated[float | None, Field(description="Events that leave for good, a second.")]
    oldest_s: Annotated[int | None, Field(description="About how old the oldest event is, in seconds.")]
    sampled_at: datetime | None
