"""Collect the facts about a workflow from one reading, and describe how far it is. (core)"""

from schemas.api.workflows.explanation import WorkflowStanding
from schemas.api.workflows.health import WorkflowProgress
from schemas.explain.progress import count_done
from schemas.explain.workflow_facts import WorkflowFacts, name_standing
from schemas.explain.workflow_problems import find_next_step, find_problems
from wms.fleet.life.completion import describe_ending
from wms.insight.workflow_graph import count_workers
from wms.insight.workflow_reading import WorkflowReading


def collect_facts(seen: WorkflowReading) -> WorkflowFacts:
    """Return the facts of a reading, from which a client comes to the same conclusions."""
    return WorkflowFacts(
        workflow=seen.workflow,
        tasks=seen.tasks,
        taskforces=seen.taskforces,
        stall=seen.stall,
        depths=seen.depths,
        unseen=seen.unseen,
        ending=describe_ending(seen.workflow),
        healths=seen.healths,
        deferred="" if seen.workflow.queues_active_at is not None else seen.workflow.queues_deferred,
    )


def describe_standing(seen: WorkflowReading) -> WorkflowStanding:
    """Return how far a workflow is: its workers, queues and events, and what a person must look at."""
    facts = collect_facts(seen)
    ending = describe_ending(seen.workflow)
    done = count_done(facts.tasks, facts.depths, ending, is_ended=facts.workflow.deactivated is not None)
    return WorkflowStanding(
        workflow_id=seen.workflow.workflow_id,
        standing=name_standing(facts),
        phases=facts.phases,
        workers=count_workers(seen.taskforces),
        events=None
        if done is None
        else WorkflowProgress(n_done=done.n_done, n_all=done.n_all, n_failed=done.n_failed, is_whole=done.is_whole),
        ending=ending,
        queues=seen.depths.queues if seen.depths is not None else [],
        n_dead=seen.depths.n_dead if seen.depths is not None else seen.workflow.n_dead or 0,
        unseen=seen.unseen,
        problems=find_problems(facts, done),
        next_step=find_next_step(facts, done),
    )
