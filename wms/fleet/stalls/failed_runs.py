"""Decide whether every event of a workflow has failed, and which workflows to check for that. (core)

    queues empty, errors reported  ->  ask MQS  ->  as many failed as there were, and no result

Such a workflow is not stalled in the narrow sense: no event waits, and its workers would take new events. But nothing
happens until its user acts.
"""

from collections.abc import Collection, Mapping, Sequence

from schemas.api.queues.profiles import QueueDepths
from schemas.api.workflows.health import ALL_FAILED
from schemas.causes.failed_runs import advise_failed_run
from schemas.explain.levels import JoinsQueues
from schemas.explain.progress import has_all_failed
from wms.fleet.stalls.stalling import Obstacle, ObstacleKind, QueueLoad, WorkflowSight


def may_have_failed(seen: WorkflowSight, backlogs: Mapping[str, QueueLoad]) -> bool:
    """Return whether every event of a workflow may have failed, as far as this look shows.

    That is possible if its workers have reported errors, and all queues from which its tasks take events are empty.
    """
    if not has_counted(seen, backlogs) or not any(crew.errors for crew in seen.crews):
        return False
    return not any(_has_events(backlogs[mqid]) for mqid in _list_inputs(seen))


def has_counted(seen: WorkflowSight, backlogs: Mapping[str, QueueLoad]) -> bool:
    """Return whether this look has counted all queues from which the workflow's tasks take events."""
    mqids = _list_inputs(seen)
    return seen.has_queues and bool(mqids) and all(mqid in backlogs for mqid in mqids)


def judge_failed_run(
    workflow_id: str,
    tasks: Collection[JoinsQueues],
    depths: QueueDepths | None,
    *,
    has_closed_inputs: bool,
    was_stalled: bool,
) -> Obstacle | None:
    """Return the obstacle of a workflow whose every event has failed. Return None for any other workflow.

    With closed inputs the workflow ends by itself in a moment. Then users learn of this only after a stall, so that the
    end does not look like new progress.
    """
    if depths is None or not has_all_failed(tasks, depths) or (has_closed_inputs and not was_stalled):
        return None
    advice = advise_failed_run(workflow_id, n_failed=depths.n_failed, n_dead=depths.n_dead, is_closed=has_closed_inputs)
    return Obstacle(ObstacleKind.ALL_FAILED, ALL_FAILED, advice.text, advice.command)


def _list_inputs(seen: WorkflowSight) -> list[str]:
    return [mqid for mqids in seen.inputs.values() for mqid in mqids]


def _has_events(load: QueueLoad) -> bool:
    return bool(load.n_ready or load.n_unacknowledged or load.n_delayed)


def choose_runs(
    open_ones: Sequence[WorkflowSight], asked_s: Mapping[str, float], stalled: Collection[str], most: int
) -> list[WorkflowSight]:
    """Return at most `most` workflows to ask MQS about: stalled ones first, then those that were not asked about for
    longest.
    """
    return sorted(
        open_ones, key=lambda one: (one.workflow_id not in stalled, asked_s.get(one.workflow_id, float("-inf")))
    )[:most]
