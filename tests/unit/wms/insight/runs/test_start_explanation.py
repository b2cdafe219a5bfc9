"""Each cause of a schedule that launches nothing, and of a workflow that may not start, has facts that show it."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from schemas.automation.schedules import DecidedOccurrence, Identity, ScheduleDocument
from schemas.causes.starts import GATE_CAUSES, SCHEDULE_CAUSES
from schemas.causes.table import CAUSES
from schemas.engine.processes import Target
from schemas.engine.start_gates import GateQuestion, GateSettings, StartObstacle, find_start_obstacles
from schemas.engine.subscriptions import ProductDocument, SubscriptionDocument, SubscriptionLifecycle
from schemas.ids import RunId, ScheduleId, TemplateId
from wms.insight.runs.start_explanation import explain_gates, explain_schedule

NOW = datetime(2026, 11, 30, 8, tzinfo=UTC)
HOUR = timedelta(hours=1)
REFUSED = DecidedOccurrence(at=NOW - HOUR, refusal="the template does not ask for x")


def make_schedule(**fields: Any) -> ScheduleDocument:
    plain: dict[str, Any] = {
        "id": ScheduleId(3),
        "name": "nightly",
        "template": TemplateId(7),
        "rrule": "DTSTART:20260101T060000Z RRULE:FREQ=DAILY",
        "owner": Identity(subject="ada"),
        "decided_until": NOW - HOUR,
        "wake_at": NOW + HOUR,
        "starts_at": NOW - HOUR,
        "created": NOW,
        "modified": NOW,
    }
    return ScheduleDocument(**{**plain, **fields})


@pytest.mark.parametrize(
    ("fields", "standing", "causes"),
    [
        ({}, "enabled", ["occurrence-awaited"]),
        ({"wake_at": NOW - timedelta(seconds=30)}, "enabled", ["occurrence-awaited"]),
        ({"wake_at": NOW - HOUR}, "enabled", ["schedule-late"]),
        ({"wake_at": None}, "over", ["schedule-over"]),
        ({"enabled": False, "wake_at": None}, "disabled", ["schedule-disabled"]),
        ({"last": REFUSED}, "enabled", ["launch-refused", "occurrence-awaited"]),
        (
            {"last": REFUSED.model_copy(update={"is_skipped": True})},
            "enabled",
            ["occurrence-awaited", "occurrence-skipped"],
        ),
        (
            {"last": DecidedOccurrence(at=NOW, run=RunId(9), skipped=2)},
            "enabled",
            ["occurrence-awaited", "occurrences-skipped"],
        ),
    ],
)
def test_a_schedule_says_what_becomes_of_its_occurrences(
    fields: dict[str, Any], standing: str, causes: list[str]
) -> None:
    found = explain_schedule(make_schedule(**fields), NOW)
    assert (found.kind, found.id, found.name, found.standing) == ("schedule", "3", "nightly", standing)
    assert [each.cause for each in found.causes] == causes
    for each in found.causes:
        assert "{" not in each.text + each.command
        assert each.command.startswith("ewms ")
        assert each.remedy.endswith(".")


def test_a_refused_launch_is_told_with_its_reason_and_every_cause_has_a_row() -> None:
    refused = explain_schedule(make_schedule(last=REFUSED), NOW).causes[0]
    assert refused.text == "nothing was launched at 2026-11-30 07:00:00 UTC: the template does not ask for x"
    assert set(SCHEDULE_CAUSES) == {
        "occurrence-awaited",
        "schedule-late",
        "schedule-over",
        "schedule-disabled",
        "launch-refused",
        "occurrence-skipped",
    }


PRODUCT = ProductDocument(product_id=UUID(int=1), name="Port", description="", product_type="Port", tag="PORT")
OTHER = UUID(int=8)


def make_subscription(**fields: Any) -> SubscriptionDocument:
    plain: dict[str, Any] = {
        "subscription_id": UUID(int=7),
        "product": PRODUCT,
        "customer_id": "c1",
        "description": "port 7",
        "status": SubscriptionLifecycle.ACTIVE,
        "insync": True,
    }
    return SubscriptionDocument(**{**plain, **fields})


def ask(target: Target = Target.MODIFY, *, settings: GateSettings | None = None, **fields: Any) -> list[StartObstacle]:
    question: dict[str, Any] = {"workflow": "grow", "target": target, "subscription": make_subscription(), **fields}
    return find_start_obstacles(GateQuestion(**question), settings or GateSettings())


OUT_OF_SYNC = make_subscription(subscription_id=OTHER, insync=False)
GATES: list[tuple[str, list[StartObstacle]]] = [
    ("gate-not-found", ask(subscription=None)),
    ("gate-not-attached", ask(is_attached=False)),
    ("gate-out-of-sync", ask(subscription=make_subscription(insync=False))),
    ("gate-relations-out-of-sync", ask(depends_on=[OUT_OF_SYNC])),
    ("gate-lifecycle", ask(subscription=make_subscription(status=SubscriptionLifecycle.PROVISIONING))),
    ("gate-in-use", ask(Target.TERMINATE, in_use_by=[make_subscription(subscription_id=OTHER)])),
    ("gate-unauthorized", ask(is_authorized=False)),
    ("gate-stale-version", ask(version=9)),
    ("gate-other", [StartObstacle("of_a_later_version", "not on a Sunday")]),
    ("gates-open", []),
]


@pytest.mark.parametrize(("cause", "obstacles"), GATES, ids=[cause for cause, _ in GATES])
def test_each_obstacle_of_a_workflow_has_its_cause(cause: str, obstacles: list[StartObstacle]) -> None:
    found = explain_gates(make_subscription(insync=False), {"grow": obstacles})
    assert (found.kind, found.id, found.name) == ("subscription", str(UUID(int=7)), "port 7")
    assert found.standing == "active, out of sync"
    (shown,) = found.causes
    assert (shown.cause, shown.severity) == (cause, CAUSES[cause].severity)
    assert obstacles == [] or shown.text == f"grow: may not start: {obstacles[0].text}"
    assert shown.command == f"ewms subscription {'workflows' if not obstacles else 'show'} {UUID(int=7)}"


def test_every_cause_of_gates_has_a_row_and_all_obstacles_of_all_workflows_are_told() -> None:
    assert {cause for cause, _ in GATES} == set(GATE_CAUSES)
    both = [*ask(is_attached=False), *ask(version=9)]
    found = explain_gates(make_subscription(), {"grow": both, "shrink": [], "check": []})
    assert [(each.cause, each.node) for each in found.causes] == [
        ("gate-not-attached", "grow"),
        ("gate-stale-version", "grow"),
        ("gates-open", ""),
    ]
    assert found.causes[-1].text == "2 workflow(s) may start on it"
