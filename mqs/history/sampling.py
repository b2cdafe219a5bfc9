"""Make a sample of each queue from what the broker and MQS have counted. (core)"""

from collections.abc import Mapping
from datetime import datetime

from mqs.broker.picture import QueueCount
from mqs.broker.traffic import QueueTraffic, count_arrived
from mqs.history.samples import QueueSample
from schemas.ids import MQID


def sample_queues(
    counts: Mapping[str, QueueCount],
    traffic: Mapping[str, QueueTraffic],
    consumers: Mapping[str, int],
    *,
    at: datetime,
) -> dict[str, QueueSample]:
    """Return a sample for each queue of a workflow in `counts`. Queues of dead letters have no history."""
    return {
        queue: QueueSample(
            at_s=int(at.timestamp()),
            n_ready=count.n_ready,
            n_unacknowledged=count.n_unacknowledged,
            n_delayed=count.n_delayed,
            n_consumers=consumers.get(queue, 0),
            n_arrived=count_arrived(here, n_ready=0),
            n_left=here.n_left,
        )
        for queue, count in counts.items()
        if MQID.fullmatch(queue)
        for here in (traffic.get(queue, QueueTraffic()),)
    }
