"""A workflow as the server reports it at one moment, and what follows: is it over, and how did it end? (core)"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ewms.errors import Aborted, DoneWithFailures, OutcomeFailed
from schemas.api.workflows.health import Stall
from schemas.explain.workflow_facts import WorkflowFacts, is_taskforce_over
from schemas.fleet.endings import Completion, Ending, outcome_words
from schemas.fleet.objects import TaskDirective, Taskforce, Workflow
from schemas.fleet.phases import WANTED, Deactivated, Phase
from schemas.fleet.statuses import JobStatus

#: The phases of a wanted taskforce, in the order in which it goes through them.
_ROAD = (Phase.PRE_MQ_ACTIVATION, Phase.PRE_LAUNCH, Phase.PENDING_STARTER, Phase.CONDOR_SUBMIT)


@dataclass(frozen=True, slots=True)
class WorkflowState:
    """A workflow with its task directives and taskforces."""

    workflow: Workflow
    task_directives: Sequence[TaskDirective]
    taskforces: Sequence[Taskforce]
    #: Why events wait and nothing is on its way to work on them; None if the workflow is not stalled.
    stall: Stall | None = None

    @property
    def facts(self) -> WorkflowFacts:
        """Return the facts of this state. WMS draws the same conclusions from them as the client."""
        return WorkflowFacts(
            workflow=self.workflow, tasks=self.task_directives, taskforces=self.taskforces, stall=self.stall
        )

    @property
    def over(self) -> bool:
        """Whether the workflow has ended and nothing of it runs or will run any more."""
        return self.facts.is_over

    @property
    def phases(self) -> dict[str, int]:
        """Return phase -> number of taskforces in it, in the order of the phases."""
        return self.facts.phases

    @property
    def workers(self) -> dict[str, dict[str, int]]:
        """Return the number of workers by job status and pilot status, added up over all taskforces."""
        return self.facts.workers

    @property
    def task_errors(self) -> dict[str, int]:
        """Return error text -> how often it came, for the most frequent errors of all taskforces, the most frequent
        first.
        """
        return self.facts.task_errors

    def has_reached(self, phase: Phase) -> bool:
        """Return whether every taskforce is in `phase` or past it.

        Raises:
            OutcomeFailed: a taskforce has ended before `phase` and will not get there.
        """
        if phase in _ROAD:
            lost = [t for t in self.taskforces if t.phase not in WANTED and not _has_passed(t, phase)]
            if lost:
                names = ", ".join(t.taskforce_uuid for t in lost)
                raise OutcomeFailed([f"ended before {phase}: {names}"])
            return all(t.phase not in WANTED or _ROAD.index(t.phase) >= _ROAD.index(phase) for t in self.taskforces)
        return all(t.phase == phase or is_taskforce_over(t) for t in self.taskforces)

    def as_json(self) -> dict[str, Any]:
        """Return the state as JSON in the words of the REST API: the form of the answer to `POST /workflows`."""
        return {
            "workflow": self.workflow.model_dump(mode="json"),
            "task_directives": [task.model_dump(mode="json") for task in self.task_directives],
            "taskforces": [taskforce.model_dump(mode="json") for taskforce in self.taskforces],
        }


@dataclass(frozen=True, slots=True)
class WorkflowOutcome:
    """How a workflow ended."""

    state: WorkflowState
    #: The number of dead letters; None if the queues are gone already.
    n_dead: int | None = None
    #: How the workflow ended by itself; None if the server cannot tell.
    ending: Ending | None = None

    @property
    def word(self) -> str:
        """Return how the workflow ended: "done", "done with failures", "finished", "aborted" or "over"."""
        completion = self.ending.completion if self.ending is not None else None
        return outcome_words(self.state.workflow.deactivated, completion) or "over"

    @property
    def reason(self) -> str:
        """Return why the workflow is not simply done, such as "27 of 30 expected results"; "" if it is."""
        return self.ending.reason if self.ending is not None else ""

    @property
    def _ended_with_failures(self) -> bool:
        """Whether the workflow ended by itself with dead letters. Discarding them later does not change this."""
        return self.ending is not None and self.ending.completion is Completion.DONE_WITH_FAILURES

    @property
    def _describe_shortage(self) -> str | None:
        """Return a sentence on too few results; None if all have arrived, or no number was expected."""
        if self.ending is None or not self._ended_with_failures:
            return None
        n, n_expected = self.ending.n_results, self.ending.expected_results
        if n is None or n_expected is None or n + (self._n_counted or 0) >= n_expected:
            return None
        return f"{n} of {n_expected} expected results came"

    @property
    def _n_counted(self) -> int | None:
        """Return how many dead letters count as results."""
        return self.ending.n_dead if self.ending is not None and self.ending.count_failures else 0

    def find_problems(self) -> list[str]:
        """Return what went wrong, one sentence each; empty for a success."""
        found = []
        if self.state.workflow.deactivated is Deactivated.ABORTED:
            found.append(f"{self.state.workflow.workflow_id} was aborted")
        if self.n_dead:
            found.append(f"{self.n_dead} event(s) are dead letters")
        elif self._ended_with_failures and (n_then := self.ending.n_dead if self.ending is not None else None):
            found.append(f"{n_then} event(s) were dead letters when it ended")
        if (short := self._describe_shortage) is not None:
            found.append(short)
        if self.ending is not None and self.ending.completion is Completion.DONE:
            # Attempts that failed on the way were repeated, and succeeded.
            return found
        for error, n in self.state.task_errors.items():
            found.append(f"{n} worker(s): {error}")
        return found

    def raise_for_failures(self) -> "WorkflowOutcome":
        """Raise an error if anything went wrong; otherwise return this outcome.

        Raises:
            Aborted: a user has aborted the workflow.
            DoneWithFailures: some events are dead letters, or expected results are missing.
            OutcomeFailed: something else went wrong.
        """
        if not (problems := self.find_problems()):
            return self
        if self.state.workflow.deactivated is Deactivated.ABORTED:
            raise Aborted(problems)
        if self.n_dead or self._ended_with_failures:
            workflow = self.state.workflow.workflow_id
            n_failed = self.n_dead or (self.ending.n_dead if self.ending is not None else 0)
            listed = f"ewms dlq list {workflow}" if n_failed else f"ewms workflow show {workflow}"
            raise DoneWithFailures(problems, hint=f"see what failed, and why: {listed}")
        raise OutcomeFailed(problems)


def find_waiting(state: WorkflowState) -> list[Taskforce]:
    """Return the taskforces that wait for a TMS or for their first slot: only these can be stuck."""
    phases = (Phase.PENDING_STARTER, Phase.PENDING_STOPPER, Phase.CONDOR_RM)
    return [t for t in state.taskforces if (t.phase in phases and not is_taskforce_over(t)) or _waits_for_a_slot(t)]


def _waits_for_a_slot(taskforce: Taskforce) -> bool:
    statuses = taskforce.compound_statuses
    return taskforce.phase is Phase.CONDOR_SUBMIT and JobStatus.IDLE in statuses and JobStatus.RUNNING not in statuses


def post_to_submitted_s(state: WorkflowState) -> float | None:
    """Return the seconds from the accepted request until all taskforces' jobs were in their schedds; None: not yet."""
    times = []
    for taskforce in state.taskforces:
        moves = [c for c in taskforce.phase_change_log if c.target_phase is Phase.CONDOR_SUBMIT and c.was_successful]
        if not moves:
            return None
        times.append(moves[0].timestamp)
    return max(times) - state.workflow.timestamp if times else None


def _has_passed(taskforce: Taskforce, phase: Phase) -> bool:
    return any(c.target_phase is phase and c.was_successful for c in taskforce.phase_change_log)
