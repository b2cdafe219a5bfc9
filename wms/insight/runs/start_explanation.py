"""Explain why a schedule launches nothing, and why workflows may not start on a subscription. (core)"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from schemas.api.workflows.explanation import ExplainedCause, ObjectExplanation
from schemas.automation.schedules import ScheduleDocument
from schemas.causes.starts import find_gate_cause
from schemas.engine.start_gates import StartObstacle
from schemas.engine.subscriptions import SubscriptionDocument
from schemas.explain.named_cause import name_cause
from wms.insight.runs.run_situation import format_time, shorten_reason

#: WMS decides about an occurrence within this time.
_PATIENCE = timedelta(minutes=1)


def explain_schedule(schedule: ScheduleDocument, now: datetime) -> ObjectExplanation:
    """Return why a schedule launches nothing at `now`, and what became of its last occurrence."""
    causes = sorted(_list_schedule_causes(schedule, now), key=lambda each: each.severity.rank)
    standing = "disabled" if not schedule.enabled else "over" if schedule.wake_at is None else "enabled"
    return ObjectExplanation(kind="schedule", id=str(schedule.id), name=schedule.name, standing=standing, causes=causes)


def _list_schedule_causes(schedule: ScheduleDocument, now: datetime) -> Iterator[ExplainedCause]:
    last, wake_at = schedule.last, schedule.wake_at
    if not schedule.enabled:
        yield name_cause("schedule-disabled", id=schedule.id)
    elif wake_at is None:
        yield name_cause("schedule-over", id=schedule.id)
    else:
        cause = "schedule-late" if now - wake_at > _PATIENCE else "occurrence-awaited"
        yield name_cause(cause, id=schedule.id, at=format_time(wake_at))
    if last is None:
        return
    if last.run is None and last.refusal:
        cause = "occurrence-skipped" if last.is_skipped else "launch-refused"
        yield name_cause(cause, id=schedule.id, at=format_time(last.at), why=shorten_reason(last.refusal))
    if last.skipped:
        yield name_cause("occurrences-skipped", last.skipped, schedule=schedule.name)


def explain_gates(
    subscription: SubscriptionDocument, obstacles: Mapping[str, Sequence[StartObstacle]]
) -> ObjectExplanation:
    """Return why workflows may not start on a subscription. `obstacles` has all of its workflows by their names."""
    own = str(subscription.subscription_id)
    causes = [
        name_cause(find_gate_cause(each.reason), len(each.subscription_ids), node=workflow, id=own, why=each.text)
        for workflow, found in obstacles.items()
        for each in found
    ]
    if n_open := sum(not found for found in obstacles.values()):
        causes.append(name_cause("gates-open", n_open, id=own))
    return ObjectExplanation(
        kind="subscription",
        id=own,
        name=subscription.description or subscription.product.name,
        standing=str(subscription.status) if subscription.insync else f"{subscription.status}, out of sync",
        causes=causes,
    )
