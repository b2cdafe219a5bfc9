"""What texts for people need to know of a request's fields: the kind of value, an example, other names. (core)"""

from collections.abc import Mapping

from pydantic import BaseModel

from schemas.api.workflows.requests import TaskRequest, WorkflowRequest
from schemas.fleet.objects import PilotConfig, WorkerConfig
from schemas.fleet.program import PROGRAM_EXAMPLES
from schemas.rules.complaints import find_nearest

#: Field -> what kind of value it must have, and an example as JSON. A name has one meaning in the whole request.
EXAMPLES: Mapping[str, tuple[str, str]] = {
    "tasks": ("a list of tasks", '[{"task_image": ..., "task_args": ...}]'),
    "public_queue_aliases": ("a list of names", '["photons", "results"]'),
    "priority": ("a whole number", "50"),
    "cluster_locations": ("a list of names", '["local"]'),
    **PROGRAM_EXAMPLES,
    "input_queue_aliases": ("a list of names", '["photons"]'),
    "output_queue_aliases": ("a list of names", '["results"]'),
    "n_workers": ("a whole number, or null for the cluster's own", "10"),
    "worker_config": ("an object", '{"worker_memory": "2G", "n_cores": 1, ...}'),
    "do_transfer_worker_stdouterr": ("true or false", "true"),
    "max_worker_runtime": ("a whole number of seconds", "3600"),
    "n_cores": ("a whole number", "1"),
    "worker_disk": ("a size: a number of bytes, or a text with a unit", '"1G"'),
    "worker_memory": ("a size: a number of bytes, or a text with a unit", '"512M"'),
    "condor_requirements": ("a text", '"HasSingularity"'),
    "pilot_config": ("an object", '{"environment": {"EWMS_PILOT_TASK_TIMEOUT": "600"}}'),
    "tag": ("a text", '"latest"'),
    "image_source": ("a text", '"cvmfs"'),
    "environment": ("an object", '{"EWMS_PILOT_TASK_TIMEOUT": "600"}'),
    "input_files": ("a list of paths", '["/data/geometry.json"]'),
}

#: The fields whose values are names, which a complaint may repeat. Other fields can contain secrets.
NAMES = ("public_queue_aliases", "cluster_locations", "input_queue_aliases", "output_queue_aliases")
#: The fields whose members have names that the user chooses.
ENVIRONMENTS = ("task_env", "init_env", "environment")

#: The Python client's name of a field -> the field.
_OF_PYTHON: Mapping[str, str] = {
    "image": "task_image",
    "args": "task_args",
    "env": "task_env",
    "inputs": "input_queue_aliases",
    "outputs": "output_queue_aliases",
    "public": "public_queue_aliases",
    "clusters": "cluster_locations",
    "cluster": "cluster_locations",
    "memory": "worker_memory",
    "disk": "worker_disk",
    "cores": "n_cores",
    "max_runtime": "max_worker_runtime",
    "pilot": "environment",
    "requirements": "condor_requirements",
    "keep_worker_logs": "do_transfer_worker_stdouterr",
}

#: The objects of a request, each with its name in messages.
_PLACES: tuple[tuple[str, type[BaseModel]], ...] = (
    ("the request itself", WorkflowRequest),
    ("the task", TaskRequest),
    ("'worker_config'", WorkerConfig),
    ("'pilot_config'", PilotConfig),
)


def explain_unknown(name: str, location: tuple[object, ...]) -> str:
    """Return the remedy for the unknown field `name` in the object at `location`: the field that the user may mean."""
    here = _find_object(location)
    own = here[1].model_fields
    if name == "env" and "environment" in own:
        return "did you mean 'environment'?"
    if (meant := _OF_PYTHON.get(name, "")) in own:
        return f"did you mean '{meant}'?"
    for place, model in _PLACES:
        for known in (name, meant):
            if known in model.model_fields:
                what = "it" if known == name else f"'{known}'"
                return f"write {what} into {place}"
    if meant := find_nearest(name, own):
        return f"did you mean '{meant}'?"
    for place, model in _PLACES:
        if meant := find_nearest(name, model.model_fields):
            return f"did you mean '{meant}' in {place}?"
    return f"leave it out; fields here: {', '.join(own)}"


def _find_object(location: tuple[object, ...]) -> tuple[str, type[BaseModel]]:
    match location:
        case ("tasks", int(), "worker_config", *_):
            return _PLACES[2]
        case ("tasks", int(), "pilot_config", *_):
            return _PLACES[3]
        case ("tasks", int(), *_):
            return _PLACES[1]
        case _:
            return _PLACES[0]
