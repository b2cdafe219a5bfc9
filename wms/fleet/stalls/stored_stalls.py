"""The stall that is stored with a workflow: made from obstacles, and read back. (core)"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from runtime.kernel.decision import Document
from schemas.api.workflows.health import ALL_FAILED
from wms.fleet.stalls.stalling import Doubts, Obstacle, ObstacleKind


def make_stall(before: Document | None, obstacles: Sequence[Obstacle], since: datetime) -> Document | None:
    """Return the stall to store for a workflow with `obstacles`. Return None if there are no obstacles.

    If the stored stall `before` began earlier than `since`, its time stays.
    """
    if not obstacles:
        return None
    return {
        "since": min(before["since"], since) if before else since,
        "causes": [
            {
                "kind": str(one.kind),
                "cause": str(one.cause),
                "text": one.text,
                "command": one.command,
                "task_id": one.task_id,
                "n_events": one.n_events,
            }
            for one in obstacles
        ],
    }


def recall_doubts(stored: Mapping[str, Document | None], doubts: Doubts) -> Doubts:
    """Return the start times of the `stored` obstacles that are earlier than those in `doubts`.

    So users still see a stall after a restart of WMS, or when another WMS watches too.
    """
    older: dict[tuple[str, str, ObstacleKind], datetime] = {}
    stalls = ((workflow_id, stall) for workflow_id, stall in stored.items() if stall)
    for workflow_id, stall in stalls:
        for cause in stall["causes"]:
            kind = ObstacleKind(cause["kind"])
            if not kind.is_known:
                # A newer version stored it. This version does not find such obstacles.
                continue
            key = (workflow_id, cause["task_id"], kind)
            if stall["since"] < doubts.get(key, datetime.max.replace(tzinfo=UTC)):
                older[key] = stall["since"]
    return older


def select_known_orders(workflow_id: str, n_letter_orders: int) -> Document:
    """Return the query for a workflow with `n_letter_orders` orders about its dead letters, and no further one."""
    # A workflow of an older WMS lacks the number.
    return {"_id": workflow_id, "n_letter_orders": {"$in": [n_letter_orders, *([] if n_letter_orders else [None])]}}


def select_failed_run(workflow_id: str) -> Document:
    """Return the query for a workflow whose stored stall says that every event has failed."""
    return {"_id": workflow_id, "stalled.causes.cause": ALL_FAILED}


def recall_failed_run(stall: Document | None) -> Obstacle | None:
    """Return the obstacle in the stored `stall` of a workflow whose every event has failed. Return None for any other
    workflow.
    """
    causes = stall["causes"] if stall else []
    if [cause["cause"] for cause in causes] != [ALL_FAILED]:
        return None
    return Obstacle(ObstacleKind.ALL_FAILED, ALL_FAILED, causes[0]["text"], causes[0]["command"])
