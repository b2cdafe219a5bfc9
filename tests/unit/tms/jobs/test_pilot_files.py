"""What pilots are told: who overrides whom, and that the token is told to nobody else."""

import json
import re
from dataclasses import replace
from typing import Any

import pytest
from pydantic import SecretStr

from pilot.settings import read_settings as pilot_settings
from schemas.broker.queue_format import Wire
from schemas.pilot.options import PLATFORM
from schemas.questions.secrets import SecretsAnswer
from schemas.rules.secret_names import PROGRAM_SECRET
from tests.hostile import CORPUS
from tests.unit.tms.orders import DIRECTORY, GRANT, order
from tms.errors import Unsubmittable
from tms.jobs.pilot_files import PilotProfile, list_secrets, pilot_environment, secrets_file, task_file, token_file

PROFILE = PilotProfile(allowed_platforms=frozenset({"apptainer", "none"}))
TOKEN_SOURCE = f"{DIRECTORY}/ewms_pilot_token"

TRACE = f"00-{'a' * 32}-{'b' * 16}-01"
OTHER = f"00-{'c' * 32}-{'d' * 16}-01"


def told(profile: PilotProfile = PROFILE, **changes: Any) -> dict[str, str]:
    return pilot_environment(order(**changes), GRANT, profile, token_source=TOKEN_SOURCE)


def users(**environment: Any) -> dict[str, Any]:
    return {"pilot": {"environment": environment}}


def test_the_pilot_understands_all_of_it() -> None:
    read = pilot_settings(told(), directory="/job")
    assert [queue.mqid for queue in read.inputs] == ["a0000000000000000000a", "a0000000000000000000b"]
    assert {queue.address for queue in (*read.inputs, *read.outputs)} == {GRANT.broker_address}
    assert {queue.token for queue in (*read.inputs, *read.outputs)} == {""}
    assert read.token_file == "/job/ewms_pilot_token"
    assert read.task.args == ("reco", "--in", "{{INFILE}}")
    assert (read.chirp.wanted, read.stop_on_error, read.max_failures_in_a_row) == (True, False, 3)
    assert read.first_timeout_s == read.idle_timeout_s == 7200
    assert read.unknown == ()


@pytest.mark.parametrize(
    ("orders", "users_own", "found"),
    [
        ("", None, ""),
        (TRACE, None, TRACE),
        (TRACE, OTHER, OTHER),
        ("", OTHER, OTHER),
        ("00-1", None, ""),
        (TRACE, "mine", ""),
    ],
)
def test_the_pilot_finds_the_trace_of_the_request_unless_the_user_sets_another(
    orders: str, users_own: str | None, found: str
) -> None:
    environment = told(traceparent=orders, **(users(TRACEPARENT=users_own) if users_own else {}))
    assert pilot_settings(environment, directory="/job").traceparent == found
    assert ("TRACEPARENT" in environment) == (orders == TRACE or users_own is not None)


@pytest.mark.parametrize("wire", Wire)
def test_the_pilot_hears_how_its_outputs_are_to_lie(wire: Wire) -> None:
    grant = GRANT.model_copy(update={"wire": wire})
    environment = pilot_environment(order(), grant, PROFILE, token_source=TOKEN_SOURCE)
    assert {queue.wire for queue in pilot_settings(environment, directory="/job").outputs} == {wire}


@pytest.mark.parametrize("hostile", CORPUS)
def test_a_users_text_reaches_the_pilot_as_it_was_written(hostile: str) -> None:
    if "\0" in hostile:
        with pytest.raises(Unsubmittable):
            told(task={"task_args": hostile})
        return
    read = json.loads(task_file(told(task={"task_args": hostile, "task_env": {"X": hostile}})))
    assert read.keys() == {"environment"}
    assert read["environment"]["EWMS_PILOT_TASK_ARGS"] == hostile
    assert json.loads(read["environment"]["EWMS_PILOT_TASK_ENV_JSON"]) == {"X": hostile}


def test_users_go_before_the_operator_and_the_operator_before_the_defaults() -> None:
    profile = PilotProfile(
        allowed_platforms=frozenset({"none"}),
        environment={"EWMS_PILOT_HTCHIRP_DEST": "JOB_ATTR", "EWMS_PILOT_PREFETCH": "3"},
    )
    environment = told(profile, **users(EWMS_PILOT_PREFETCH=7))
    assert environment["EWMS_PILOT_HTCHIRP_DEST"] == "JOB_ATTR"
    assert environment["EWMS_PILOT_PREFETCH"] == "7"
    assert environment["EWMS_PILOT_HTCHIRP"] == "True"


def test_nobody_redirects_the_queues_the_token_or_the_task() -> None:
    before = told()
    names = [name for name in before if "QUEUE" in name and "TIMEOUT" not in name]
    names += ["EWMS_PILOT_TOKEN_FILE", "EWMS_PILOT_TASK_ID", "EWMS_PILOT_TASKFORCE_UUID", "EWMS_PILOT_WORKFLOW_ID"]
    after = told(**users(**dict.fromkeys(names, "theirs")))
    assert {name: after[name] for name in names} == {name: before[name] for name in names}


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("EWMS_PILOT_EXTERNAL_DIRECTORIES", ["/data/a", "/data/b"], "/data/a,/data/b"),
        ("EWMS_PILOT_OKAY_ERRORS", ["A", "B"], "A B"),
        ("EWMS_PILOT_SOMETHING", ["x", "y"], "x;y"),
        ("EWMS_PILOT_TASK_TIMEOUT", 60, "60"),
    ],
)
def test_lists_and_numbers_become_text(name: str, value: object, text: str) -> None:
    profile = replace(PROFILE, external_roots=("/data",))
    assert told(profile, **users(**{name: value}))[name] == text


def test_a_platform_must_be_allowed() -> None:
    assert told(**users(**{PLATFORM: "none"}))[PLATFORM] == "none"
    with pytest.raises(Unsubmittable, match="docker"):
        told(**users(**{PLATFORM: "docker"}))


def test_an_image_called_none_is_a_bare_process_where_that_is_allowed() -> None:
    bare = {"task": {"task_image": "none"}}
    assert told(**bare)[PLATFORM] == "none"
    assert told(replace(PROFILE, platform="apptainer"), **bare)[PLATFORM] == "none"
    with pytest.raises(Unsubmittable, match="'none' is not allowed here"):
        told(replace(PROFILE, allowed_platforms=frozenset({"apptainer"})), **bare)


def test_who_sets_a_quarantine_gets_a_pilot_that_stops_at_errors() -> None:
    environment = told(**users(EWMS_PILOT_QUARANTINE_TIME=60))
    assert "EWMS_PILOT_STOP_LISTENING_ON_TASK_ERROR" not in environment
    assert pilot_settings(environment, directory="/job").stop_on_error


@pytest.mark.parametrize(
    "name",
    [
        "EWMS_PILOT_APPTAINER",
        "EWMS_PILOT_HTCHIRP_FD",
        "EWMS_PILOT_DATA_DIR_PARENT_PATH_ON_HOST",
        "EWMS_PILOT_EXTERNAL_ROOTS",
        "EWMS_PILOT_IMAGE_ROOTS",
        "EWMS_PILOT_PROTECTED_DIRECTORIES",
        "EWMS_PILOT_CA_FILE",
        "_EWMS_PILOT_APPTAINER_BUILD_WORKDIR",
    ],
)
def test_what_runs_outside_of_the_container_is_the_operators_choice(name: str) -> None:
    with pytest.raises(Unsubmittable, match=name):
        told(**users(**{name: "/home/eve/program"}))
    profile = PilotProfile(allowed_platforms=frozenset({"apptainer"}), apptainer="/opt/apptainer")
    assert told(profile)["EWMS_PILOT_APPTAINER"] == "/opt/apptainer"


@pytest.mark.parametrize(
    ("asked", "allowed"),
    [
        ("/cvmfs/a, /data/public", True),
        ("", True),
        ("/cvmfs/../etc", False),
        ("/cvmfs/a,/database", False),
        ("/", False),
        ("cvmfs", False),
    ],
)
def test_an_operator_may_bound_what_tasks_see_of_a_worker(asked: str, allowed: bool) -> None:
    profile = PilotProfile(allowed_platforms=frozenset(), external_roots=("/cvmfs", "/data"))
    environment = users(EWMS_PILOT_EXTERNAL_DIRECTORIES=asked)
    if allowed:
        assert told(profile, **environment)["EWMS_PILOT_EXTERNAL_DIRECTORIES"] == asked
    else:
        with pytest.raises(Unsubmittable, match="EWMS_PILOT_EXTERNAL_DIRECTORIES: the directory"):
            told(profile, **environment)


@pytest.mark.parametrize("asked", ["/cvmfs", "/data/public", "/home/eve", "/"])
def test_without_a_root_a_task_sees_nothing_of_a_worker(asked: str) -> None:
    with pytest.raises(Unsubmittable, match="EWMS_PILOT_EXTERNAL_DIRECTORIES: the directory") as refused:
        told(**users(EWMS_PILOT_EXTERNAL_DIRECTORIES=asked))
    assert refused.value.hint


def test_the_pilot_hears_which_places_are_open_and_which_are_kept() -> None:
    profile = replace(
        PROFILE, external_roots=("/cvmfs", "/data"), image_roots=("/cvmfs",), protected_directories=("/k",)
    )
    read = pilot_settings(told(profile), directory="/job")
    assert (read.external_roots, read.image_roots) == (("/cvmfs", "/data"), ("/cvmfs",))
    assert read.protected_directories == ("/k",)


@pytest.mark.parametrize(
    ("image", "named"),
    [
        ("/", "is /, the worker's own file system"),
        ("//", "is /, the worker's own file system"),
        ("/proc/self/root", "/proc"),
        ("/dev/shm/x", "/dev"),
        ("/images/../etc", "'..'"),
        ("../image", "'..'"),
        ("-v", "'-'"),
        ("/pool/execute/dir_1/ewms-pilot-data/data-hub/image", "where tasks can write"),
    ],
)
@pytest.mark.parametrize("field", ["task_image", "init_image"])
def test_an_image_that_no_worker_may_use_is_refused_by_its_name(image: str, named: str, field: str) -> None:
    with pytest.raises(Unsubmittable, match=f"^{field}: the image .*{re.escape(named)}"):
        told(task={field: image})
    told(**{**users(**{PLATFORM: "none"}), "task": {field: image}})


def test_images_lie_where_the_operator_says() -> None:
    profile = replace(PROFILE, image_roots=("/cvmfs",))
    told(profile, task={"task_image": "/cvmfs/reco"})
    told(profile, task={"task_image": "docker://reco"})
    with pytest.raises(Unsubmittable, match="lies outside of /cvmfs"):
        told(profile, task={"task_image": "/cvmfsx/reco"})


def test_what_the_operator_chose_meets_no_default_of_ours_that_contradicts_it() -> None:
    environment = {"EWMS_PILOT_QUARANTINE_TIME": "60", "EWMS_PILOT_TIMEOUT_QUEUE_INCOMING": "5"}
    read = pilot_settings(told(PilotProfile(allowed_platforms=frozenset(), environment=environment)), directory="/job")
    assert (read.stop_on_error, read.quarantine_s, read.first_timeout_s, read.idle_timeout_s) == (True, 60, 5, 5)


def test_who_says_which_errors_are_okay_gets_a_pilot_that_stops_at_the_others() -> None:
    read = pilot_settings(told(**users(EWMS_PILOT_OKAY_ERRORS="TimeoutError")), directory="/job")
    assert read.stop_on_error


def test_who_sets_the_idle_time_sets_that_of_the_first_event_too() -> None:
    read = pilot_settings(told(**users(EWMS_PILOT_TIMEOUT_QUEUE_INCOMING=5)), directory="/job")
    assert read.first_timeout_s == read.idle_timeout_s == 5


def test_the_token_file_is_the_token_alone() -> None:
    assert token_file(GRANT) == GRANT.token.get_secret_value().encode()


def test_a_pilot_knows_how_long_its_worker_lives_whatever_the_user_says() -> None:
    assert told(**users(EWMS_PILOT_MAX_WORKER_RUNTIME="999999"))["EWMS_PILOT_MAX_WORKER_RUNTIME"] == "7200"
    assert pilot_settings(told(), directory="/job").worker_runtime_s == 7200


def test_pilots_know_what_users_call_their_queues_and_what_the_worker_may_use() -> None:
    asked = order()
    aliases = {mqid: f"alias of {mqid}" for mqid in (*asked.task.input_queues, *asked.task.output_queues)}
    environment = pilot_environment(
        asked, GRANT.model_copy(update={"aliases": aliases}), PROFILE, token_source=TOKEN_SOURCE
    )
    assert environment["EWMS_PILOT_QUEUE_INCOMING_ALIAS"] == ";".join(aliases[q] for q in asked.task.input_queues)
    assert environment["EWMS_PILOT_QUEUE_OUTGOING_ALIAS"] == ";".join(aliases[q] for q in asked.task.output_queues)
    assert environment["EWMS_PILOT_WORKER_MEMORY"] == "536870912"
    # One that the pilot would take for two, or that nobody has told.
    split = {asked.task.input_queues[0]: "a;b"}
    environment = pilot_environment(
        asked, GRANT.model_copy(update={"aliases": split}), PROFILE, token_source=TOKEN_SOURCE
    )
    assert "EWMS_PILOT_QUEUE_INCOMING_ALIAS" not in environment


def test_hidden_texts_of_a_program_are_named_like_a_secret_and_the_task_file_has_their_masks() -> None:
    named = ["db-password", PROGRAM_SECRET]
    asked = order(task={"task_args": "load $encrypted$"}, **users(EWMS_PILOT_SECRETS=named))
    assert list_secrets(asked) == tuple(named)
    environment = pilot_environment(asked, GRANT, PROFILE, token_source=TOKEN_SOURCE)
    assert environment["EWMS_PILOT_TASK_ARGS"] == "load $encrypted$"
    assert pilot_settings(environment, directory="/job").secrets == tuple(named)


@pytest.mark.parametrize("written", ["db-password,api-key", "db-password; api-key", ["db-password", "api-key"]])
def test_c33_a_tasks_secrets_are_named_in_its_environment_and_come_in_their_own_file(written: Any) -> None:
    named = order(**users(EWMS_PILOT_SECRETS=written))
    assert list_secrets(named) == ("db-password", "api-key")
    answer = SecretsAnswer(values={"db-password": SecretStr("S3cret"), "api-key": SecretStr("K\u00e9y")})
    assert json.loads(secrets_file(answer)) == {"db-password": "S3cret", "api-key": "K\u00e9y"}
    assert "S3cret" not in repr(answer)


def test_a_task_without_secrets_names_none() -> None:
    assert list_secrets(order()) == ()
