"""The facts about a workflow at one moment, and how it stands in one word."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from schemas.api.queues.profiles import QueueDepth, QueueDepths
from schemas.api.workflows.health import ALL_FAILED, Stall, StallCause, TaskforceHealth
from schemas.explain.progress import EventsDone, count_done, has_all_failed
from schemas.explain.worker_counts import WorkerCounts, sum_statuses
from schemas.fleet.endings import Ending, outcome_words
from schemas.fleet.objects import TaskDirective, Taskforce, Workflow
from schemas.fleet.phases import Phase
from schemas.fleet.statuses import CompoundStatuses


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowFacts:
    """A workflow with its parts, and what is known about them. The client and WMS have the same facts."""

    workflow: Workflow
    tasks: Sequence[TaskDirective]
    taskforces: Sequence[Taskforce]
    stall: Stall | None = None
    #: None if the queues are not there or cannot be counted; `unseen` then says why they cannot.
    depths: QueueDepths | None = None
    unseen: str = ""
    ending: Ending | None = None
    #: The health of taskforces by UUID, as far as it is known.
    healths: Mapping[str, TaskforceHealth] = field(default_factory=dict)
    #: Why MQS defers the queues; "" if the queues exist, or if no reason is known.
    deferred: str = ""

    @property
    def is_over(self) -> bool:
        """Whether the workflow has ended and nothing of it runs or will run any more."""
        return self.workflow.deactivated is not None and all(map(is_taskforce_over, self.taskforces))

    @property
    def workers(self) -> CompoundStatuses:
        """Return the number of workers by job status and pilot status, added up over all taskforces."""
        return sum_statuses(taskforce.compound_statuses for taskforce in self.taskforces)

    @property
    def phases(self) -> dict[str, int]:
        """Return phase -> number of taskforces in it, in the order of the phases."""
        counts = Counter(taskforce.phase for taskforce in self.taskforces)
        return {str(phase): counts[phase] for phase in Phase if counts[phase]}

    @property
    def task_errors(self) -> dict[str, int]:
        """Return error text -> how often it came, for the most frequent errors of all taskforces, the most frequent
        first.
        """
        counts: Counter[str] = Counter()
        for taskforce in self.taskforces:
            counts.update(taskforce.top_task_errors)
        return dict(counts.most_common())


def is_taskforce_over(taskforce: Taskforce) -> bool:
    """Return whether `taskforce` has left HTCondor, or never came there and is not wanted any more (ruling 9)."""
    return taskforce.phase is Phase.CONDOR_COMPLETE or (
        taskforce.phase is Phase.PENDING_STOPPER and taskforce.cluster_id is None
    )


def name_standing(facts: WorkflowFacts) -> str:
    """Return how the workflow stands in a few words, such as "starting", "stalled", "failing" or "all failed"."""
    completion = facts.ending.completion if facts.ending is not None else None
    if completion is not None or facts.is_over:
        return outcome_words(facts.workflow.deactivated, completion) or "over"
    if facts.workflow.deactivated is not None:
        return "ending"
    if is_all_failed(facts):
        return "all failed"
    if causes := find_stall_causes(facts):
        return "stalled" if any(cause.is_stalled for cause in causes) else "failing"
    if WorkerCounts.from_statuses(facts.workers).running:
        return "running"
    if all(taskforce.phase is Phase.CONDOR_SUBMIT for taskforce in facts.taskforces):
        # The last report of the workers' states may be older than the counts of the events.
        return "running" if is_all_settled(facts, _count_done(facts)) else "waiting for workers"
    return "starting"


def is_all_settled(facts: WorkflowFacts, done: EventsDone | None) -> bool:
    """Return whether events have come, and every one of them is done or has failed. `done` is how many are settled."""
    if facts.depths is None or done is None or not done.n_done or done.n_done + done.n_failed < done.n_all:
        return False
    inputs = {mqid for task in facts.tasks for mqid in task.input_queues}
    return not any(count_events(queue) for queue in facts.depths.queues if queue.mqid in inputs)


def is_all_failed(facts: WorkflowFacts) -> bool:
    """Return whether every event of a workflow that has not ended has failed."""
    return facts.workflow.deactivated is None and has_all_failed(facts.tasks, facts.depths)


def find_stall_causes(facts: WorkflowFacts) -> list[StallCause]:
    """Return why the workflow is stalled, as far as its queues agree.

    WMS looked at the queues some seconds before. So this leaves out a cause whose events have left their queues since,
    and one that says that every event has failed: `is_all_failed` knows better.
    """
    if facts.stall is None:
        return []
    if facts.depths is None:
        return facts.stall.causes
    n_held = {queue.mqid: count_events(queue) for queue in facts.depths.queues}
    emptied = {str(task.task_id) for task in facts.tasks if not any(n_held.get(mqid) for mqid in task.input_queues)}
    return [
        cause
        for cause in facts.stall.causes
        if cause.cause != ALL_FAILED and not (cause.n_events and cause.task_id in emptied)
    ]


def count_events(queue: QueueDepth) -> int:
    """Return how many events a queue holds: ready, unacknowledged and delayed ones."""
    return queue.n_ready + queue.n_unacknowledged + queue.n_delayed


def _count_done(facts: WorkflowFacts) -> EventsDone | None:
    is_ended = facts.workflow.deactivated is not None
    return count_done(facts.tasks, facts.depths, facts.ending, is_ended=is_ended)
