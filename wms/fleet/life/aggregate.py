"""Hold a workflow with its taskforces, which a decision changes, and do the bookkeeping of all decisions. (core)

A decision gets a `Draft` of an `Aggregate`, changes it, and turns it into a `FleetDecision` (`settle_decision`). This
notes when the last taskforce is over, informs MQS once, and computes when WMS must look at the workflow again
(`wake_at`).

An aggregate need not hold all taskforces. Taskforces that a stimulus cannot change may stay in the database, if the
aggregate knows whether any of them is still open.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from schemas.errors import Broken
from schemas.events import Fact, Payload, WorkflowOver, WorkflowOverFact
from schemas.fleet.documents import TaskDirectiveDocument, TaskforceDocument, WorkflowDocument
from schemas.fleet.objects import PhaseChange
from schemas.fleet.phases import Phase, may_move
from schemas.ids import TaskforceUuid, TaskId
from wms.fleet.choices.policy import FleetPolicy
from wms.fleet.choices.tms_port import TmsPort
from wms.fleet.life.conditions import find_due_at, find_ending_due_at, find_queues_due_at, is_over

_MAX_CONTEXT = 4096


@dataclass(frozen=True, slots=True)
class Aggregate:
    """The documents that a decision reads. `tasks` has the tasks that an order to start may need."""

    workflow: WorkflowDocument
    taskforces: Mapping[TaskforceUuid, TaskforceDocument]
    tasks: Mapping[TaskId, TaskDirectiveDocument] = field(default_factory=dict)
    #: Whether any taskforce that was not loaded is open; None if all were loaded.
    others_open: bool | None = None


@dataclass(frozen=True, slots=True)
class FleetDecision:
    """The aggregate after a decision, the events to send, and the answer to the caller."""

    after: Aggregate
    #: Orders to other services.
    events: tuple[Payload, ...] = ()
    answer: Any = None
    #: Facts about what has happened, for any service that listens.
    facts: tuple[Fact, ...] = ()


class Draft:
    """An aggregate while a decision changes it. It refuses illegal changes of a taskforce's phase."""

    def __init__(self, aggregate: Aggregate, policy: FleetPolicy, now: datetime) -> None:
        self.before = aggregate
        self.policy = policy
        self.now = now
        self.workflow = aggregate.workflow
        self.taskforces = dict(aggregate.taskforces)
        self.events: list[Payload] = []
        self.facts: list[Fact] = []

    def __iter__(self) -> Iterator[TaskforceDocument]:
        # Copy the list, because decisions change taskforces while they go through them.
        return iter(list(self.taskforces.values()))

    def find_port(self, taskforce: TaskforceDocument) -> TmsPort:
        """Return the port to the TMS of `taskforce`."""
        return self.policy.find_port(taskforce)

    def add_event(self, payload: Payload) -> None:
        """Add `payload` to the events that the commit sends."""
        self.events.append(payload)

    def add_fact(self, fact: Fact) -> None:
        """Add `fact` to the facts that the commit sends."""
        self.facts.append(fact)

    def change_workflow(self, **fields: Any) -> None:
        """Set fields of the workflow."""
        self.workflow = self.workflow.model_copy(update=fields)

    def change_taskforce(self, taskforce: TaskforceDocument, **fields: Any) -> TaskforceDocument:
        """Set fields of `taskforce`, except its phase. Return the changed taskforce."""
        changed = self.taskforces[taskforce.taskforce_uuid].model_copy(update=fields)
        self.taskforces[taskforce.taskforce_uuid] = changed
        return changed

    def move_taskforce(
        self,
        taskforce: TaskforceDocument,
        target: Phase,
        *,
        by: str,
        context: str = "",
        source_event_time: float | None = None,
    ) -> TaskforceDocument:
        """Move `taskforce` to `target`, append a line to its log, and return it as it is then.

        Raises:
            Broken: the move is illegal. The decision has a defect.
        """
        if not may_move(taskforce.phase, target):
            raise Broken(f"no move from {taskforce.phase} to {target}")
        moved = self.append_log_line(
            taskforce, target, by=by, context=context, was_successful=True, source_event_time=source_event_time
        )
        return self.change_taskforce(moved, phase=target)

    def append_log_line(
        self,
        taskforce: TaskforceDocument,
        target: Phase,
        *,
        by: str,
        context: str,
        was_successful: bool = False,
        source_event_time: float | None = None,
    ) -> TaskforceDocument:
        """Append a line to the log of `taskforce`, and return the taskforce. Its phase stays.

        `target` is the phase that the line is about, `by` the service or user who acts, and `context` the reason.
        """
        line = PhaseChange(
            target_phase=target,
            timestamp=self.now.timestamp(),
            was_successful=was_successful,
            source_event_time=source_event_time,
            source_entity=by,
            context=context[:_MAX_CONTEXT],
        )
        return self.change_taskforce(taskforce, phase_change_log=[*taskforce.phase_change_log, line])

    def leave_unchanged(self, *events: Payload, answer: Any = None) -> FleetDecision:
        """Return a decision that changes nothing, and sends `events`."""
        return FleetDecision(self.before, events, answer)

    def continue_after(self, outcome: FleetDecision) -> "Draft":
        """Return a draft of the aggregate after `outcome`, for another decision at the same moment."""
        return Draft(outcome.after, self.policy, self.now)

    def settle_decision(self, answer: Any = None) -> FleetDecision:
        """Return the decision of this draft. Set `over_at` if the workflow is over, and compute `wake_at` again."""
        if (
            self.workflow.deactivated is not None
            and self.workflow.over_at is None
            and not self.before.others_open
            and all(map(is_over, self.taskforces.values()))
        ):
            self.change_workflow(over_at=self.now)
            self.add_event(WorkflowOver(workflow_id=self.workflow.workflow_id))
            self.add_fact(
                WorkflowOverFact(
                    workflow_id=self.workflow.workflow_id,
                    deactivated=self.workflow.deactivated,
                    completion=self.workflow.completion,
                    over_at=self.now,
                )
            )
        wake_at = self._find_wake_at()
        if wake_at != self.workflow.wake_at:
            self.change_workflow(wake_at=wake_at)
        after = replace(self.before, workflow=self.workflow, taskforces=self.taskforces)
        return FleetDecision(after, tuple(self.events), answer, tuple(self.facts))

    def _find_wake_at(self) -> datetime | None:
        found = [find_due_at(taskforce, self.workflow, self.find_port(taskforce), self.now) for taskforce in self]
        found += [find_queues_due_at(self.workflow), find_ending_due_at(self.workflow)]
        dues = [due for due in found if due is not None]
        if self.before.others_open is not None and self.before.workflow.wake_at is not None:
            # The old time covers the taskforces that were not loaded. An early wake-up costs only one look.
            dues.append(self.before.workflow.wake_at)
        return min(dues, default=None)
