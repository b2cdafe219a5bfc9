"""Each field of a task's program reaches the pilot: request, stored directive, order to the TMS, variable, pilot.

The fields are taken from `schemas.fleet.program`, so a new one is tested without a new test.
"""

import json
import shlex
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import pytest

from ewms.workflows.definition import Task
from pilot.settings import PilotSettings, read_settings
from schemas.api.workflows.requests import TaskRequest
from schemas.events import TaskforceStart, TaskOrder
from schemas.fleet.documents import TaskDirectiveDocument
from schemas.fleet.objects import TaskDirective
from schemas.fleet.program import PROGRAM_EXAMPLES, ContractProgram, TaskProgram
from schemas.pilot.pilot_wire import PilotProgram
from tests.unit.tms.orders import GRANT
from tests.unit.wms.fleets import NOW, POLICY, made, task_request
from tms.jobs.pilot_files import PilotProfile, pilot_environment, task_file
from wms.fleet.life.aggregate import Aggregate, Draft
from wms.fleet.life.tms_requests import ask_to_start

PROFILE = PilotProfile(allowed_platforms=frozenset({"apptainer", "none"}))


def value_of(name: str) -> Any:
    """Return a value that only the field `name` has."""
    kind = TaskProgram.model_fields[name].annotation
    return {"NAME": f"of {name}"} if kind is not None and kind is not str and "dict" in str(kind) else f"/of/{name}"


PROGRAM = {name: value_of(name) for name in TaskProgram.model_fields}


def as_told(changes: Mapping[str, Any]) -> tuple[TaskDirectiveDocument, TaskforceStart, PilotSettings]:
    """Return what WMS stores, what TMS hears, and what the pilot reads of a task with `changes`."""
    new = made(task_request(**changes))
    draft = Draft(
        Aggregate(new.workflow, {t.taskforce_uuid: t for t in new.taskforces}, {t.task_id: t for t in new.tasks}),
        POLICY,
        NOW,
    )
    ask_to_start(draft, new.taskforces[0])
    [order] = draft.events
    assert isinstance(order, TaskforceStart)
    order = TaskforceStart.model_validate_json(order.model_dump_json())
    content = json.loads(task_file(pilot_environment(order, GRANT, PROFILE, token_source="/srv/ewms_pilot_token")))
    return new.tasks[0], order, read_settings(content["environment"], directory="/job")


@pytest.mark.parametrize("name", TaskProgram.model_fields)
def test_a_field_of_the_program_travels_from_the_request_to_the_pilot(name: str) -> None:
    stored, order, settings = as_told(PROGRAM)
    assert getattr(stored, name) == getattr(order.task, name) == PROGRAM[name]
    read = getattr(settings, name)
    assert (shlex.join(read) if isinstance(read, tuple) else read) == PROGRAM[name]


def test_every_carrier_of_a_program_has_its_fields() -> None:
    program = TaskProgram.model_fields.keys()
    for model in (TaskRequest, TaskDirectiveDocument, TaskOrder):
        assert program <= model.model_fields.keys()
    assert {known.name for known in fields(PilotProgram)} == program, "write and read it in schemas/pilot/pilot_wire.py"
    client = Task(image="/image", args="", inputs=()).request([])
    assert program <= client.keys(), "let ewms/workflows/definition.py ask for it"
    assert program == PROGRAM_EXAMPLES.keys()


def test_users_see_the_contracts_fields_only() -> None:
    assert {*TaskProgram.model_fields} & {*TaskDirective.model_fields} == {*ContractProgram.model_fields}


def test_what_an_older_version_wrote_is_read() -> None:
    # A field that is not the contract's has a default, for older documents and events do not have it.
    own = {*TaskProgram.model_fields} - {*ContractProgram.model_fields}
    assert not [name for name in own if TaskProgram.model_fields[name].is_required()]
