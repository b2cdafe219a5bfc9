"""The control events of MQS: it reports the state of a workflow's queues to WMS, and publishes facts."""

from typing import ClassVar

from pydantic import AwareDatetime

from schemas.broker.services import Service
from schemas.events.cloudevents import AboutWorkflow, Fact, Order


class QueuesDrained(AboutWorkflow, Order):
    """The inputs are closed, no task has an event left to process, and no task will get another event."""

    TYPE: ClassVar = "queues.drained"
    TO: ClassVar = Service.WMS

    n_dead: int
    #: How many events have arrived in the public output queues; None if no number was expected.
    n_results: int | None = None


class ResultsArrived(AboutWorkflow, Order):
    """The expected number of events has arrived in the workflow's public output queues."""

    TYPE: ClassVar = "queues.results-arrived"
    TO: ClassVar = Service.WMS

    n_results: int
    n_dead: int


class QueuesActivated(AboutWorkflow, Order):
    """The workflow's queues exist, and clients can use them."""

    TYPE: ClassVar = "queues.activated"
    TO: ClassVar = Service.WMS


class QueuesDeferred(AboutWorkflow, Order):
    """The broker's budget does not allow the workflow's queues yet. MQS tries again by itself."""

    TYPE: ClassVar = "queues.deferred"
    TO: ClassVar = Service.WMS

    reason: str


class QueuesActivatedFact(AboutWorkflow, Fact):
    """The workflow's queues exist. MQS publishes this for workflows of other sites, too."""

    TYPE: ClassVar = "fact.queues.activated"
    BY: ClassVar = Service.MQS

    activated_at: AwareDatetime
