"""The contract's objects, written down once more: exact keys, and what each value looks like.

Nothing here comes from `schemas`: if both are to say the same, one of them must be able to be wrong.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

Check = Callable[[Any], bool]
Shape = Mapping[str, Check]

PHASES = (
    "pre-mq-activation",
    "pre-launch",
    "pending-starter",
    "condor-submit",
    "pending-stopper",
    "condor-rm",
    "condor-complete",
)


def _integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _number(value: Any) -> bool:
    return _integer(value) or isinstance(value, float)


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _like(pattern: str) -> Check:
    return lambda value: isinstance(value, str) and re.fullmatch(pattern, value) is not None


def _or_null(check: Check) -> Check:
    return lambda value: value is None or check(value)


def _all(check: Check) -> Check:
    return lambda value: isinstance(value, list) and all(map(check, value))


def _map(check: Check) -> Check:
    return lambda value: isinstance(value, dict) and all(map(check, value.values()))


def _one_of(*values: Any) -> Check:
    return lambda value: value in values


def _is(shape: Shape) -> Check:
    return lambda value: not problems(value, shape)


WORKFLOW_ID = _like(r"WF-[0-9a-f]{8}-[0-9a-f]{8}")
TASK_ID = _like(r"TK(-[0-9a-f]{8}){3}")
TASKFORCE_UUID = _like(r"TF(-[0-9a-f]{8}){4}")
MQID = _like(r"a[0-9a-f]{20}")

WORKFLOW: Shape = {
    "workflow_id": WORKFLOW_ID,
    "timestamp": _number,
    "priority": _integer,
    "deactivated": _one_of(None, "ABORTED", "FINISHED"),
    "deactivated_ts": _or_null(_number),
}
TASK_DIRECTIVE: Shape = {
    "task_id": TASK_ID,
    "workflow_id": WORKFLOW_ID,
    "timestamp": _number,
    "cluster_locations": _all(_text),
    "task_image": _text,
    "task_args": _text,
    "task_env": _map(_text),
    "init_image": _text,
    "init_args": _text,
    "init_env": _map(_text),
    "input_queues": _all(MQID),
    "output_queues": _all(MQID),
}
WORKER_CONFIG: Shape = {
    "do_transfer_worker_stdouterr": lambda value: isinstance(value, bool),
    "max_worker_runtime": _integer,
    "n_cores": _integer,
    "priority": _integer,
    "worker_disk": lambda value: _text(value) or _integer(value),
    "worker_memory": lambda value: _text(value) or _integer(value),
    "condor_requirements": _text,
}
PILOT_CONFIG: Shape = {
    "tag": _text,
    "image_source": _one_of("cvmfs", "auto"),
    "environment": _map(lambda value: _text(value) or _integer(value) or _all(_text)(value)),
    "input_files": _all(_text),
}
PHASE_CHANGE: Shape = {
    "target_phase": _one_of(*PHASES),
    "timestamp": _number,
    "was_successful": lambda value: isinstance(value, bool),
    "source_event_time": _or_null(_number),
    "source_entity": _text,
    "context": _text,
}
TASKFORCE: Shape = {
    "taskforce_uuid": TASKFORCE_UUID,
    "task_id": TASK_ID,
    "workflow_id": WORKFLOW_ID,
    "timestamp": _number,
    "priority": _integer,
    "collector": _one_of(None),
    "schedd": _text,
    "n_workers": _or_null(_integer),
    "worker_config": _is(WORKER_CONFIG),
    "pilot_config": _is(PILOT_CONFIG),
    "cluster_id": _or_null(_integer),
    "submit_dict": _map(lambda value: _text(value) or _integer(value)),
    "job_event_log_fpath": _text,
    "phase": _one_of(*PHASES),
    "phase_change_log": _all(_is(PHASE_CHANGE)),
    "compound_statuses": _map(_map(_integer)),
    "top_task_errors": _map(_integer),
}
MQGROUP: Shape = {
    "workflow_id": WORKFLOW_ID,
    "timestamp": _number,
    "criteria": _or_null(_is({"priority": _integer})),
}
MQPROFILE: Shape = {
    "mqid": MQID,
    "workflow_id": WORKFLOW_ID,
    "timestamp": _number,
    "alias": _text,
    "is_public": lambda value: isinstance(value, bool),
    "is_activated": lambda value: isinstance(value, bool),
    "auth_token": _or_null(_text),
    "broker_type": _one_of(None, "rabbitmq"),
    "broker_address": _or_null(_text),
}


def problems(value: Any, shape: Shape) -> list[str]:
    """Return what keeps `value` from being an object of `shape`: missing and extra keys, and wrong values."""
    if not isinstance(value, dict):
        return [f"{value!r} is no object"]
    return [
        *(f"'{name}' is missing" for name in shape.keys() - value.keys()),
        *(f"'{name}' is too much" for name in value.keys() - shape.keys()),
        *(f"'{name}' is {value[name]!r}" for name, fits in shape.items() if name in value and not fits(value[name])),
    ]


def is_exactly(value: Any, shape: Shape) -> None:
    """Assert that `value` has exactly the keys of `shape`, and values that fit."""
    assert problems(value, shape) == []
