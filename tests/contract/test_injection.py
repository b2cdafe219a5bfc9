"""Hostile texts all the way from a user's request to the submit description, the task file and the pilot's argv.

Every step is the real one: the gateway's model, the workflow made of it, the order as bytes on the bus, the submission
and its commands, HTCondor's own reading of those, and the pilot's reading of its task file.
"""

import functools
import json
from collections.abc import Iterator
from typing import Any

import htcondor2
import pytest
from pydantic import ValidationError

from pilot.errors import SettingsInvalid
from pilot.settings import PilotSettings
from pilot.settings import read_settings as pilot_settings
from schemas.errors import Rejected
from schemas.events import TaskforceStart, build_event
from schemas.ids import EventId, TaskforceUuid
from schemas.wire import event_from_bytes, event_to_bytes
from tests.hostile import CORPUS
from tests.unit.tms.orders import GRANT
from tests.unit.wms.fleets import NOW, WORKER_CONFIG, activated, aggregate, decide, task_request
from tms.errors import Unsubmittable
from tms.jobs.pilot_files import PilotProfile, pilot_environment, task_file
from tms.jobs.submit_description import ContainerPool, PoolProfile, Submission, build_commands, build_submission
from wms.fleet.life.stimuli import Launch

POOLS = {
    "plain": PoolProfile(pilot_command=("/opt/ewms/bin/python", "-m", "pilot")),
    "containers": PoolProfile(pilot_command=(), container=ContainerPool(image="/cvmfs/x/pilot")),
}
PROFILE = PilotProfile(allowed_platforms=frozenset({"apptainer", "none"}))
#: What differs from one taskforce to the next, whatever the user wrote.
DIRECTORY = "/srv/tms/taskforces/x"


def ordered(task: dict[str, Any]) -> TaskforceStart:
    """Return the order to start the first taskforce of a request, as it comes off the bus."""
    return _order_text(json.dumps(task))


# Several tests look at the same request.
@functools.cache
def _order_text(text: str) -> TaskforceStart:
    task = json.loads(text)
    new = aggregate(task)
    state = decide(new, activated(new), NOW).after
    uuid = next(iter(state.taskforces))
    (start,) = [e for e in decide(state, Launch(uuid), NOW).events if isinstance(e, TaskforceStart)]
    event = build_event(start, event_id=EventId("e"), source="ewms/wms", time=NOW)
    read = event_from_bytes(event_to_bytes(event)).data
    assert isinstance(read, TaskforceStart)
    # Ids are drawn from the time and the request; they are not what is looked at here.
    return read.model_copy(update={"taskforce_uuid": TaskforceUuid("TF-6b00e09f-926a610b-485d2fc0-57c5a8e4")})


def submitted(order: TaskforceStart, pool: PoolProfile) -> Submission:
    files = (f"{DIRECTORY}/ewms_pilot_task.json", f"{DIRECTORY}/ewms_pilot_token")
    # As if all of them had been found under an allowed root, which most cannot be.
    names = tuple(order.pilot_config.input_files)
    return build_submission(order, pool, directory=DIRECTORY, pilot_files=files, input_files=names)


def commands(task: dict[str, Any], pool: PoolProfile) -> dict[str, str]:
    """Return the submit description as HTCondor reads it."""
    said = {name: str(value) for name, value in build_commands(submitted(ordered(task), pool)).items()}
    read = {f"+{k[3:]}" if k.startswith("MY.") else k: v for k, v in htcondor2.Submit(said).items()}
    assert read == said, "HTCondor reads something else than was written"
    return said


def told(task: dict[str, Any]) -> PilotSettings:
    """Return what the pilot makes of its task file."""
    environment = pilot_environment(ordered(task), GRANT, PROFILE, token_source=f"{DIRECTORY}/ewms_pilot_token")
    return pilot_settings(json.loads(task_file(environment))["environment"], directory="/job")


def fields_with(hostile: str) -> Iterator[dict[str, Any]]:
    """Yield tasks with `hostile` in one place each where a user may write freely."""
    for name in ("task_image", "task_args", "init_image", "init_args"):
        yield {name: hostile}
    yield {"task_env": {"X": hostile}}
    yield {"init_image": "/i", "init_env": {"X": hostile}}
    yield {"pilot_config": {"environment": {"EWMS_PILOT_QUARANTINE_TIME": hostile}}}
    yield {"pilot_config": {"environment": {"EWMS_PILOT_OKAY_ERRORS": [hostile]}}}


@pytest.mark.parametrize("kind", POOLS)
@pytest.mark.parametrize("hostile", CORPUS)
def test_what_a_user_writes_freely_leaves_the_submit_description_as_it_is(hostile: str, kind: str) -> None:
    expected = commands(task_request(), POOLS[kind])
    n_taken = 0
    for fields in fields_with(hostile):
        try:
            assert commands(task_request(**fields), POOLS[kind]) == expected, fields
        except (ValidationError, Rejected):
            continue
        n_taken += 1
    assert n_taken or "\0" in hostile


@pytest.mark.parametrize("kind", POOLS)
@pytest.mark.parametrize("hostile", CORPUS)
def test_what_a_user_says_to_htcondor_changes_its_own_command_only(hostile: str, kind: str) -> None:
    expected = commands(task_request(), POOLS[kind])
    asked = {
        "requirements": {"worker_config": {**WORKER_CONFIG, "condor_requirements": hostile}},
        "container_image": {"pilot_config": {"tag": hostile}},
        "transfer_input_files": {"pilot_config": {"input_files": [hostile]}},
        "request_memory": {"worker_config": {**WORKER_CONFIG, "worker_memory": hostile}},
        "request_disk": {"worker_config": {**WORKER_CONFIG, "worker_disk": hostile}},
    }
    for command, fields in asked.items():
        try:
            found = commands(task_request(**fields), POOLS[kind])
        except (ValidationError, Rejected, Unsubmittable):
            continue
        assert {name: value for name, value in found.items() if name != command} == {
            name: value for name, value in expected.items() if name != command
        }
        value = found.get(command, "")
        assert value.replace("\t", " ").isprintable()
        assert "$" not in value


@pytest.mark.parametrize("hostile", CORPUS)
def test_an_argument_is_one_argument_and_a_variable_one_variable(hostile: str) -> None:
    """The pilot splits `task_args` itself, and without a shell: what was one word stays one."""
    try:
        read = told(task_request(task_env={"X": hostile}, init_image="/i", init_env={"Y": hostile}))
    except (ValidationError, Rejected, SettingsInvalid):
        assert "\0" in hostile
        return
    assert read.task.environment == {"X": hostile}
    assert read.init
    assert read.init.environment == {"Y": hostile}
    assert read.task.args == told(task_request()).task.args


@pytest.mark.parametrize(
    "name", ["QUEUE_INCOMING", "TOKEN_FILE", "TOKEN_SOURCE", "TASK_IMAGE", "QUEUE_OUTGOING_AUTH_TOKEN"]
)
@pytest.mark.parametrize("hostile", ["/etc/passwd", "x", "$ENV(HOME)"])
def test_no_variable_of_a_user_takes_the_place_of_ours(name: str, hostile: str) -> None:
    plain = told(task_request())
    try:
        read = told(task_request(pilot_config={"environment": {f"EWMS_PILOT_{name}": hostile}}))
    except (ValidationError, Rejected):
        return
    assert (read.inputs, read.outputs, read.token_file, read.token_source, read.task.image) == (
        *(plain.inputs, plain.outputs, plain.token_file, plain.token_source, plain.task.image),
    )


def test_the_corpus_is_large_enough() -> None:
    assert len(set(CORPUS)) >= 200
