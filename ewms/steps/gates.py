"""The settings that decide whether a workflow may start on a subscription now. Users change them. (core)

EWMS reads the settings each time, so a change takes effect at once:

    WF_USABLE_MAP.update({"modify_node_enrollment": ["provisioning"]})
    WF_BLOCKED_BY_IN_USE_BY_SUBSCRIPTIONS.update({"modify_node_enrollment": True})
    WF_USABLE_WHILE_OUT_OF_SYNC.extend(["modify_description"])

The rule itself is in `schemas.engine.start_gates`.
"""

from schemas.engine.start_gates import GateQuestion, GateSettings, StartObstacle, find_start_obstacles

__all__ = [
    "WF_BLOCKED_BY_IN_USE_BY_SUBSCRIPTIONS",
    "WF_USABLE_MAP",
    "WF_USABLE_WHILE_OUT_OF_SYNC",
    "GateQuestion",
    "StartObstacle",
    "find_obstacles",
    "read_gate_settings",
]

#: Workflow -> the lifecycles in which it may be used, instead of the default: active; for a terminate, all.
WF_USABLE_MAP: dict[str, list[str]] = {}

#: Workflow -> whether subscriptions that use this one keep it from starting, instead of the default: only terminates.
WF_BLOCKED_BY_IN_USE_BY_SUBSCRIPTIONS: dict[str, bool] = {}

#: Workflows that may start on a subscription that is out of sync. Tasks always may.
WF_USABLE_WHILE_OUT_OF_SYNC: list[str] = []


def read_gate_settings() -> GateSettings:
    """Return the settings as they are now."""
    return GateSettings(
        usable_map={name: [str(one).lower() for one in usable] for name, usable in WF_USABLE_MAP.items()},
        blocked_by_users=dict(WF_BLOCKED_BY_IN_USE_BY_SUBSCRIPTIONS),
        usable_out_of_sync=tuple(WF_USABLE_WHILE_OUT_OF_SYNC),
    )


def find_obstacles(question: GateQuestion) -> list[StartObstacle]:
    """Return all reasons why the workflow may not start, in the order of the checks. Return an empty list if it may
    start.
    """
    return find_start_obstacles(question, read_gate_settings())
