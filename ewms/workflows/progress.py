"""Compute a workflow's progress from observations of it. (core)

facts, facts, facts ...  ->  rates, work left, an estimate of the end, problems with the next useful command
"""

from collections.abc import Sequence
from dataclasses import dataclass

from ewms.stalls import describe_cause
from ewms.workflows.events_done import DatedCount, latest_done, seconds_left
from ewms.workflows.state import WorkflowState
from schemas.api.health import ALL_FAILED, StallCause
from schemas.api.queues import QueueDepth, QueueDepths
from schemas.endings import Completion, Ending, outcome_words
from schemas.explain.worker_counts import WorkerCounts
from schemas.failures.failed_runs import advise_failed_run
from schemas.phases import Phase
from schemas.progress import EventsDone, count_done, has_all_failed, task_levels
from schemas.statuses import JobStatus, PilotStatus

#: Parts of the text of a hold in which a job waits for its next start.
_PAUSES, _KILLED = "starts again after a pause", "was killed by"

#: Rates are averages over this many seconds: long enough to be steady, short enough to be current.
RATE_WINDOW_S = 10.0


@dataclass(frozen=True, slots=True)
class Observation:
    """The facts about a workflow at one moment. A counter is None if the observer itself neither publishes nor
    consumes.
    """

    #: When: seconds of any clock that only goes forward.
    at_s: float
    state: WorkflowState
    depths: QueueDepths | None = None
    n_sent: int | None = None
    n_received: int | None = None
    n_expected: int | None = None
    title: str = ""
    ending: Ending | None = None


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem that a person must solve, and the command to type next."""

    text: str
    command: str


@dataclass(frozen=True, slots=True)
class Progress:
    """The progress of a workflow: its latest observation, and the rates and the end that earlier observations
    suggest.
    """

    facts: Observation
    elapsed_s: float
    sent_per_s: float | None
    received_per_s: float | None
    #: Queue alias -> change of its depth, in events per second.
    queue_per_s: dict[str, float]
    #: How many events are done and failed, of how many; None if the queues do not tell. The done ones never go back.
    done: EventsDone | None
    eta_s: float | None
    problems: tuple[Problem, ...]
    #: What lets the run end, if only its open inputs keep it going.
    next_step: Problem | None = None

    @property
    def phase(self) -> str:
        """Return how the workflow stands in a few words, such as "starting", "stalled", "failing" or "all failed"."""
        state = self.facts.state
        ending = self.facts.ending
        completion = ending.completion if ending is not None else None
        if completion is not None or state.over:
            return outcome_words(state.workflow.deactivated, completion) or "over"
        if state.workflow.deactivated is not None:
            return "ending"
        if is_all_failed(self.facts):
            return "all failed"
        if causes := find_stall_causes(self.facts):
            return "stalled" if any(cause.is_stalled for cause in causes) else "failing"
        if WorkerCounts.from_statuses(state.workers).running:
            return "running"
        if all(taskforce.phase is Phase.CONDOR_SUBMIT for taskforce in state.taskforces):
            return "waiting for workers"
        return "starting"


def compute_progress(history: Sequence[Observation]) -> Progress:
    """Return the progress that `history` shows: observations, the oldest first, and one at least."""
    now = history[-1]
    past = next((facts for facts in history if now.at_s - facts.at_s <= RATE_WINDOW_S), now)
    counted = _count_each(history)
    is_over = now.state.over
    done = latest_done(counted, is_final=now.ending is not None and now.ending.completion is not None)
    return Progress(
        facts=now,
        elapsed_s=now.at_s - history[0].at_s,
        # A workflow that is over has no rates: its last consumers and its deleted queues would look like some.
        sent_per_s=None if is_over else _rate_per_s(past.at_s, past.n_sent, now.at_s, now.n_sent),
        received_per_s=_rate_per_s(past.at_s, past.n_received, now.at_s, now.n_received),
        queue_per_s={} if is_over else _queue_rates(past, now),
        done=done,
        eta_s=None if is_over else seconds_left(counted),
        problems=tuple(find_problems(now, done)),
        next_step=advise_open_inputs(now, done),
    )


def find_problems(facts: Observation, done: EventsDone | None = None) -> list[Problem]:
    """Return the problems of the workflow, the worst first. `done` is how many events are settled."""
    state, workflow = facts.state, facts.state.workflow.workflow_id
    errors = f"ewms task errors {workflow}"
    logs = f"ewms task logs {workflow}"
    has_failed = is_all_failed(facts)
    found = [_describe_failed_run(facts)] if has_failed else []
    found += [Problem(describe_cause(cause), cause.command) for cause in find_stall_causes(facts)]
    for job, pilots in state.workers.items():
        if job.startswith(JobStatus.HELD):
            reason = job.partition(":")[2].strip() or "no reason given"
            found.append(Problem(f"{sum(pilots.values())} worker(s) held: {reason}", _explain_hold(state, job)))
    for taskforce in state.taskforces:
        failures = [change for change in taskforce.phase_change_log if not change.was_successful]
        if failures and taskforce.phase in (Phase.PENDING_STARTER, Phase.PENDING_STOPPER):
            last = failures[-1]
            text = (
                f"{taskforce.taskforce_uuid}: {len(failures)} failed attempt(s) at {last.target_phase}: {last.context}"
            )
            found.append(Problem(text, f"ewms taskforce show {taskforce.taskforce_uuid}"))
    if n_delayed := _count_delayed(facts, done):
        found.append(Problem(f"{n_delayed} event(s) failed and are put off until their next attempt", errors))
    if facts.depths is not None and facts.depths.n_dead and not has_failed:
        found.append(Problem(f"{facts.depths.n_dead} event(s) given up: dead letters", f"ewms dlq list {workflow}"))
    if facts.ending is not None and facts.ending.completion is Completion.DONE:
        # Whatever failed on the way was repeated, and succeeded.
        return found
    n_fatal = sum(pilots.get(PilotStatus.FATAL_ERROR, 0) for pilots in state.workers.values())
    if n_fatal:
        found.append(Problem(f"{n_fatal} pilot(s) ended with an error", logs))
    found += [
        # If an image cannot be used, no attempt at an event is reported: only the logs show why.
        Problem(f"{n} worker(s): {error}", logs if error.startswith("ImageUnusable(") else errors)
        for error, n in list(state.task_errors.items())[:3]
    ]
    return found


def advise_open_inputs(facts: Observation, done: EventsDone | None) -> Problem | None:
    """Return what to do if every event so far is done or has failed, and the run goes on only because its inputs are
    open. Return None for any other run. `done` is how many events are settled.
    """
    ending, workflow = facts.ending, facts.state.workflow
    if ending is None or done is None or facts.depths is None or workflow.deactivated is not None:
        return None
    waits_for_more = ending.inputs_closed_at is None and ending.expected_results is None
    if not waits_for_more or not done.n_done or done.n_done + done.n_failed < done.n_all:
        return None
    inputs = {mqid for task in facts.state.task_directives for mqid in task.input_queues}
    if any(count_events(queue) for queue in facts.depths.queues if queue.mqid in inputs):
        return None
    settled = "is done or a dead letter" if done.n_failed else "is done"
    command = f"ewms workflow close-inputs {workflow.workflow_id}"
    return Problem(
        f"every event so far {settled}; the inputs are open: publish more, or close them to end the run", command
    )


def _explain_hold(state: WorkflowState, job: str) -> str:
    """Return the command that shows more about jobs with the status `job`; `ewms taskforce why` names the same one."""
    workflow = state.workflow.workflow_id
    if _PAUSES in job:
        # A pilot that was killed has reported no error. What it logged before is all there is.
        kind = "errors" if state.task_errors and _KILLED not in job else "logs"
        return f"ewms task {kind} {workflow}"
    held = next(one.taskforce_uuid for one in state.taskforces if job in one.compound_statuses)
    return f"ewms taskforce show {held}"


def is_all_failed(facts: Observation) -> bool:
    """Return whether every event of a workflow that has not ended has failed."""
    state = facts.state
    return state.workflow.deactivated is None and has_all_failed(state.task_directives, facts.depths)


def find_stall_causes(facts: Observation) -> list[StallCause]:
    """Return why the workflow is stalled, as far as its queues agree.

    WMS looked at the queues some seconds before. So this leaves out a cause whose events have left their queues since,
    and one that says that every event has failed: `is_all_failed` knows better.
    """
    if facts.state.stall is None:
        return []
    if facts.depths is None:
        return facts.state.stall.causes
    n_held = {queue.mqid: count_events(queue) for queue in facts.depths.queues}
    emptied = {
        str(task.task_id)
        for task in facts.state.task_directives
        if not any(n_held.get(mqid) for mqid in task.input_queues)
    }
    return [
        cause
        for cause in facts.state.stall.causes
        if cause.cause != ALL_FAILED and not (cause.n_events and cause.task_id in emptied)
    ]


def _describe_failed_run(facts: Observation) -> Problem:
    assert facts.depths is not None
    is_closed = facts.ending is not None and facts.ending.inputs_closed_at is not None
    workflow_id, n_failed, n_dead = facts.state.workflow.workflow_id, facts.depths.n_failed, facts.depths.n_dead
    return Problem(*advise_failed_run(workflow_id, n_failed=n_failed, n_dead=n_dead, is_closed=is_closed))


def _count_delayed(facts: Observation, done: EventsDone | None) -> int:
    """Return how many events wait for their next attempt.

    The broker counts its queues some seconds late, and MQS counts dead letters at once: both may count an event.
    """
    n_delayed = sum(queue.n_delayed for queue in facts.depths.queues) if facts.depths else 0
    expects = facts.ending is not None and facts.ending.expected_results is not None
    if done is None or expects or len(task_levels(facts.state.task_directives)) > 1:
        # These counts are of other events.
        return n_delayed
    return max(0, min(n_delayed, done.n_all - done.n_done - done.n_failed))


def count_events(queue: QueueDepth) -> int:
    """Return how many events a queue holds: ready, unacknowledged and delayed ones."""
    return queue.n_ready + queue.n_unacknowledged + queue.n_delayed


def _count_each(history: Sequence[Observation]) -> list[DatedCount]:
    return [DatedCount(facts.at_s, done) for facts in history if (done := _count_one(facts)) is not None]


def _count_one(facts: Observation) -> EventsDone | None:
    if facts.n_received is not None and facts.n_expected:
        n_failed = facts.depths.n_failed if facts.depths is not None else 0
        return EventsDone(min(facts.n_received, facts.n_expected), facts.n_expected, is_whole=True, n_failed=n_failed)
    is_ended = facts.state.workflow.deactivated is not None
    return count_done(facts.state.task_directives, facts.depths, facts.ending, is_ended=is_ended)


def _rate_per_s(then_s: float, then: int | None, now_s: float, now: int | None) -> float | None:
    if then is None or now is None or now_s <= then_s:
        return None
    return (now - then) / (now_s - then_s)


def _queue_rates(past: Observation, now: Observation) -> dict[str, float]:
    if past.depths is None or now.depths is None or now.at_s <= past.at_s:
        return {}
    before = {queue.mqid: count_events(queue) for queue in past.depths.queues}
    return {
        queue.alias: (count_events(queue) - before[queue.mqid]) / (now.at_s - past.at_s)
        for queue in now.depths.queues
        if queue.mqid in before
    }
