"""What the gauges of queues count: each queue by its kind, and those that hold events without a reader."""

import pytest
from prometheus_client import REGISTRY

from mqs.broker.picture import QueueCount
from mqs.depths import set_gauges
from schemas.broker.topology import dead_queue
from schemas.ids import WorkflowId

_DEAD = dead_queue(WorkflowId("WF-1"))
_COUNTS = {
    "asked": QueueCount(3),
    "inner": QueueCount(4),
    "idle": QueueCount(5),
    "empty": QueueCount(0),
    _DEAD: QueueCount(1),
}


@pytest.mark.parametrize(
    ("kind", "n_queues", "n_without_takers", "n_ready"), [("public", 1, 0, 3), ("private", 3, 1, 9), ("dead", 1, 1, 1)]
)
def test_an_empty_queue_needs_no_reader(kind: str, n_queues: int, n_without_takers: int, n_ready: int) -> None:
    set_gauges(_COUNTS, public={"asked"}, without_takers={"idle", "empty", _DEAD})
    labels = {"queues": kind}
    assert REGISTRY.get_sample_value("ewms_mqs_queues", labels) == n_queues
    assert REGISTRY.get_sample_value("ewms_mqs_queues_without_takers", labels) == n_without_takers
    assert REGISTRY.get_sample_value("ewms_mqs_events", {**labels, "state": "ready"}) == n_ready
