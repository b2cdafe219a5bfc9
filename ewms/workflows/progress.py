"""Compute a workflow's progress from observations of it. (core)

facts, facts, facts ...  ->  rates, work left, an estimate of the end, problems with the next useful command
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ewms.workflows.events_done import DatedCount, latest_done, seconds_left
from ewms.workflows.state import WorkflowState
from schemas.api.queues.profiles import QueueDepths
from schemas.api.workflows.explanation import ExplainedCause
from schemas.explain.progress import EventsDone, count_done
from schemas.explain.workflow_facts import WorkflowFacts, count_events, name_standing
from schemas.explain.workflow_problems import find_next_step, find_problems
from schemas.fleet.endings import Ending

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

    @property
    def workflow_facts(self) -> WorkflowFacts:
        """Return the facts of this state. WMS draws the same conclusions from them as the client."""
        return replace(self.state.facts, depths=self.depths, ending=self.ending)


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
    problems: tuple[ExplainedCause, ...]
    #: What lets the run end, if only its open inputs keep it going.
    next_step: ExplainedCause | None = None

    @property
    def phase(self) -> str:
        """Return how the workflow stands in a few words, such as "starting", "stalled", "failing" or "all failed"."""
        return name_standing(self.facts.workflow_facts)


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
        problems=tuple(find_problems(now.workflow_facts, done)),
        next_step=find_next_step(now.workflow_facts, done),
    )


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
