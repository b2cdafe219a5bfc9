"""Find all faults of a request in all layers at once. (core)

    JSON ──► schema (plain_faults) ──► limits, images, clusters (refusals) ──► what can never run (runnable)

A fault in one layer does not hide faults in the next layer: the check replaces each faulty value by a correct value,
and goes on. It drops complaints about the replaced values, because the user did not write those values.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Annotated, Any

from pydantic import Field, ValidationError
from pydantic_core import ErrorDetails

from schemas.api.workflows.requests import OldTaskRequest, OldWorkflowRequest, WorkflowRequest
from schemas.checks.plain_faults import explain_faults, split_location, split_names
from schemas.checks.refusals import find_refusals
from schemas.checks.request_fields import ENVIRONMENTS, NAMES
from schemas.checks.runnable import find_complaints
from schemas.fleet.program import program_defaults
from schemas.rules.complaints import Complaint
from schemas.rules.limits import MAX_TASK_QUEUES, MAX_TASKS

#: With more faults than this, the check reports only faults of the schema: replacing values takes time, and people do
#: not read so many complaints.
_MAX_MENDED = 200
#: How many times the check replaces values and parses again, because one fault can hide another fault.
_MAX_ROUNDS = 4

Place = tuple[Any, ...]

#: Values that are correct with any values of the other fields.
_WORKER: Mapping[str, Any] = {
    "do_transfer_worker_stdouterr": False,
    "max_worker_runtime": 60 * 60 * 24 * 365,
    "n_cores": 1,
    "priority": 0,
    "worker_disk": "1G",
    "worker_memory": "1G",
    "condor_requirements": "",
}
_UNKNOWN = "?"
_TASK: Mapping[str, Any] = {
    "cluster_locations": [_UNKNOWN],
    "task_image": _UNKNOWN,
    "task_args": _UNKNOWN,
    **program_defaults(),
    # With an image, arguments and variables for the init container are allowed.
    "init_image": _UNKNOWN,
    "input_queue_aliases": [_UNKNOWN],
    "output_queue_aliases": [_UNKNOWN],
    "worker_config": _WORKER,
    "pilot_config": {},
    "n_workers": None,
}
_PILOT: Mapping[str, Any] = {"tag": "latest", "image_source": "cvmfs", "environment": {}, "input_files": []}
_REQUEST: Mapping[str, Any] = {"public_queue_aliases": [], "priority": 50}


class _MendedRequest(OldWorkflowRequest):
    """A request whose faulty values were replaced. Two of its tasks may have become equal."""

    tasks: Annotated[list[OldTaskRequest], Field(min_length=1, max_length=MAX_TASKS)]


def check_request(
    body: Any, *, clusters: Mapping[str, str] | None = None, max_queues: int = MAX_TASK_QUEUES
) -> list[Complaint]:
    """Return all complaints about the JSON value `body`. See `find_refusals` for the other arguments.

    Raises:
        ValueError, TypeError, RecursionError: JSON cannot represent `body`.
    """
    text = json.dumps(body, allow_nan=False)
    # Convert it to JSON as the gateway reads it: a tuple becomes a list, and the key 1 the text "1".
    plain = json.loads(text)
    try:
        request = WorkflowRequest.model_validate_json(text, strict=True)
    except ValidationError as error:
        return check_faulty(plain, error.errors(include_url=False), clusters=clusters, max_queues=max_queues)
    return [*find_refusals(request, clusters=clusters, max_queues=max_queues), *find_complaints(request)]


def check_faulty(
    body: Any,
    errors: Sequence[ErrorDetails],
    *,
    clusters: Mapping[str, str] | None = None,
    max_queues: int = MAX_TASK_QUEUES,
) -> list[Complaint]:
    """Return complaints about the faults of `body` in pydantic's `errors`, and about the other parts of `body`."""
    found = explain_faults(errors, body)
    mended: set[str] = set()
    hidden: set[str] = set()
    for _ in range(_MAX_ROUNDS):
        if len(errors) > _MAX_MENDED or not _is_mendable(body, errors):
            return found
        for error in errors:
            body = _mend_place(body, error, mended, hidden)
        try:
            request = _MendedRequest.model_validate_json(json.dumps(body), strict=True)
        except ValidationError as error_:
            errors = error_.errors(include_url=False)
            found += [c for c in explain_faults(errors, body) if not _is_within(c.where, mended)]
            continue
        # If some names of queues are unknown, we cannot tell whether a queue is a dead end.
        rest = [
            *find_refusals(request, clusters=clusters, max_queues=max_queues),
            *find_complaints(request, has_all_queues=not hidden),
        ]
        return [*found, *(complaint for complaint in rest if not _is_within(complaint.where, mended))]
    return found


def _is_mendable(body: Any, errors: Sequence[ErrorDetails]) -> bool:
    """Return whether further checks are possible: `body` is an object with a list of tasks of a valid length."""
    if not isinstance(body, dict) or not isinstance(body.get("tasks"), list):
        return False
    return not any(tuple(error["loc"]) == ("tasks",) and error["type"] in ("too_short", "too_long") for error in errors)


def _is_within(where: str, places: Collection[str]) -> bool:
    return any(where == place or where.startswith(f"{place}.") for place in places)


def _mend_place(body: Any, error: ErrorDetails, mended: set[str], hidden: set[str]) -> Any:
    """Return `body` with a correct value where `error` is, so that the other checks can go on.

    Remove a field that must not be there. Add the location to `mended`: complaints about the new value will be dropped.
    Add the field to `hidden` if the names of some queues are unknown now.
    """
    place = split_location(error["loc"], body)[0]
    if error["type"] == "extra_forbidden":
        return _replace_place(body, place, remove=True)
    if error["type"] == "missing":
        place = tuple(error["loc"])
    if place == ("tasks",):
        # Two tasks are equal. That does not disturb the check of the rest.
        return body
    field = next((n for n, step in enumerate(place) if step in (*NAMES, "input_files")), None)
    if field is not None:
        return _mend_names(body, place[: field + 1], mended, hidden)
    mended.add(".".join(map(str, place)))
    in_environment = next((n for n, step in enumerate(place) if step in ENVIRONMENTS), len(place))
    if in_environment < len(place) - 1:
        return _replace_place(body, place[: in_environment + 2], remove=True)
    match place:
        case ("tasks", int()):
            hidden.add("task")
            return _replace_place(body, place, _TASK)
        case ("tasks", int(), "worker_config", str() as name) if name in _WORKER:
            return _replace_place(body, place, _WORKER[name])
        case ("tasks", int(), "pilot_config", str() as name) if name in _PILOT:
            return _replace_place(body, place, _PILOT[name])
        case ("tasks", int(), str() as name) if name in _TASK:
            return _replace_place(body, place, _TASK[name])
        case (str() as name,) if name in _REQUEST:
            return _replace_place(body, place, _REQUEST[name])
        case _:
            return body


def _mend_names(body: Any, place: Place, mended: set[str], hidden: set[str]) -> Any:
    """Return `body` with a correct list of names at `place`, with as many of the user's names as possible."""
    names = _read_place(body, place)
    if isinstance(names, str) and names.isprintable() and (meant := split_names(names)[:100]):
        # Do what the remedy says. Cut long names: a name over the limit would be a fault that the user did not make.
        return _replace_place(body, place, list(dict.fromkeys(name[:256] for name in meant)))
    known: list[Any] = []
    if isinstance(names, list):
        known = [name for name in names if isinstance(name, str) and 0 < len(name) <= 256 and name.isprintable()]
    # A repeated name is known. A name that is too long, or is not a text, is unknown.
    if not isinstance(names, list) or not known or len(known) < len(names) or len(set(known)) > 100:
        mended.add(".".join(map(str, place)))
        if place[-1] != "input_files":
            hidden.add(str(place[-1]))
    right = list(dict.fromkeys(known))[:100]
    if place[-1] != "input_files":
        right = right or [_UNKNOWN]
    return _replace_place(body, place, right)


def _read_place(body: Any, place: Place) -> Any:
    for step in place:
        try:
            body = body[step]
        except (KeyError, IndexError, TypeError):
            return None
    return body


def _replace_place(body: Any, place: Place, value: Any = None, *, remove: bool = False) -> Any:
    """Return a copy of `body` with `value` at `place`. With `remove`, return a copy without the value at `place`."""
    if not place:
        return value
    step, *rest = place
    if isinstance(body, dict):
        if remove and not rest:
            return {name: member for name, member in body.items() if name != step}
        return {**body, step: _replace_place(body.get(step, {}), tuple(rest), value, remove=remove)}
    if isinstance(body, list) and isinstance(step, int) and step < len(body):
        return [*body[:step], _replace_place(body[step], tuple(rest), value, remove=remove), *body[step + 1 :]]
    return body
