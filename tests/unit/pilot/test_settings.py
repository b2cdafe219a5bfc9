"""What the pilot's variables mean, and what is said of wrong ones."""

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilot.errors import SettingsInvalid
from pilot.settings import PilotSettings, read_chirp, read_settings
from schemas.broker.queue_format import Wire
from schemas.pilot.options import ChirpDest, Platform, TaskMode

MINIMAL = {
    "EWMS_PILOT_TASK_IMAGE": "/images/reco",
    "EWMS_PILOT_QUEUE_INCOMING": "ain",
    "EWMS_PILOT_QUEUE_INCOMING_BROKER_ADDRESS": "user@mq:5672/ewms",
    "EWMS_PILOT_QUEUE_OUTGOING": "aout",
    "EWMS_PILOT_QUEUE_OUTGOING_BROKER_ADDRESS": "user@mq:5672/ewms",
}


def told(**variables: str) -> PilotSettings:
    named = {name if name.startswith("_") else f"EWMS_PILOT_{name}": value for name, value in variables.items()}
    return read_settings({**MINIMAL, **named}, directory="/job")


def problem(**variables: str) -> str:
    with pytest.raises(SettingsInvalid) as caught:
        told(**variables)
    return caught.value.reason


def test_the_defaults_are_the_contracts() -> None:
    s = told()
    assert (s.infile_ext, s.outfile_ext) == ("in", "out")
    assert s.prefetch is None
    assert s.concurrency == 1
    assert (s.first_timeout_s, s.idle_timeout_s) == (1, 1)
    assert (s.init_timeout_s, s.task_timeout_s) == (None, None)
    assert s.stop_on_error is True
    assert s.okay_errors == frozenset()
    assert (s.keep_files, s.dump_output, s.container_debug) == (False, False, False)
    assert s.quarantine_s == 0
    assert (s.chirp.wanted, s.chirp.dest, s.chirp.interval_s) == (False, ChirpDest.JOB_ATTR, 60)
    assert (s.log_level, s.log_level_third_party) == ("INFO", "WARNING")
    assert s.apptainer_build_dir == "/var/tmp"
    assert s.apptainer_directory_only is True
    assert s.init is None
    assert s.platform is None
    assert (s.task_mode, s.task_start_s) == (TaskMode.EVENT, 60)


@pytest.mark.parametrize(
    ("name", "value", "attribute", "meaning"),
    [
        ("INFILE_EXT", ".JSON", "infile_ext", "json"),
        ("OUTFILE_EXT", "tar.gz", "outfile_ext", "tar.gz"),
        ("PREFETCH", "7", "prefetch", 7),
        ("PREFETCH", "0", "prefetch", 1),
        ("TIMEOUT_QUEUE_INCOMING", "30", "idle_timeout_s", 30),
        ("TIMEOUT_QUEUE_INCOMING", "30", "first_timeout_s", 30),
        ("TIMEOUT_QUEUE_WAIT_FOR_FIRST_MESSAGE", "90", "first_timeout_s", 90),
        ("TIMEOUT_QUEUE_WAIT_FOR_FIRST_MESSAGE", "None", "first_timeout_s", 1),
        ("EXTERNAL_DIRECTORIES", "/cvmfs/a, /data", "external_directories", ("/cvmfs/a", "/data")),
        ("INIT_TIMEOUT", "5", "init_timeout_s", 5),
        ("TASK_TIMEOUT", "1.5", "task_timeout_s", 1.5),
        ("SUBPROC_TIMEOUT", "9", "task_timeout_s", 9),
        ("MAX_WORKER_RUNTIME", "7200", "worker_runtime_s", 7200),
        ("MAX_WORKER_RUNTIME", "", "worker_runtime_s", None),
        ("TASK_MODE", "Stream", "task_mode", TaskMode.STREAM),
        ("TASK_MODE", "event", "task_mode", TaskMode.EVENT),
        ("TASK_START_TIMEOUT", "0", "task_start_s", 0),
        ("STOP_LISTENING_ON_TASK_ERROR", "false", "stop_on_error", False),
        ("OKAY_ERRORS", "ContainerRunError  TimeoutError", "okay_errors", {"ContainerRunError", "TimeoutError"}),
        ("MAX_CONCURRENT_TASKS", "4", "concurrency", 4),
        ("MAX_CONCURRENT_TASKS", "0", "concurrency", 1),
        ("MAX_CONCURRENT_TASKS", "-3", "concurrency", 1),
        ("KEEP_ALL_TASK_FILES", "True", "keep_files", True),
        ("DUMP_TASK_OUTPUT", "yes", "dump_output", True),
        ("QUARANTINE_TIME", "60", "quarantine_s", 60),
        ("CONTAINER_DEBUG", "1", "container_debug", True),
        ("DATA_DIR_PARENT_PATH_ON_HOST", "", "data_dir_parent", "/job"),
        ("DATA_DIR_PARENT_PATH_ON_HOST", "/scratch", "data_dir_parent", "/scratch"),
        ("CA_FILE", "", "ca_file", ""),
        ("CA_FILE", "ca.crt", "ca_file", "/job/ca.crt"),
        ("CA_FILE", "/etc/ewms/tls/ca.crt", "ca_file", "/etc/ewms/tls/ca.crt"),
        ("TOKEN_FILE", "", "token_file", "/job/ewms_pilot_token"),
        ("TOKEN_FILE", "t/token", "token_file", "/job/t/token"),
        ("_EWMS_PILOT_CONTAINER_PLATFORM", "Podman", "platform", Platform.PODMAN),
        ("_EWMS_PILOT_DOCKER_SHM_SIZE", "1g", "docker_shm_size", "1g"),
        ("_EWMS_PILOT_APPTAINER_BUILD_WORKDIR", "/fast", "apptainer_build_dir", "/fast"),
        ("_EWMS_PILOT_APPTAINER_IMAGE_DIRECTORY_MUST_BE_PRESENT", "False", "apptainer_directory_only", False),
        ("CL_LOG", "debug", "log_level", "DEBUG"),
        ("TRACE_ONE_IN", "", "trace_one_in", 1000),
        ("TRACE_ONE_IN", "0", "trace_one_in", 0),
        ("TRACE_ONE_IN", "10", "trace_one_in", 10),
        ("LOG_LIMIT", "5000", "log_limit_bytes", 5000),
        ("LOG_LIMIT", "", "log_limit_bytes", 1024 * 1024),
        ("PAYLOAD_ARGUMENT", "True", "payload_argument", True),
        ("AT_MOST_ONCE", "", "at_most_once", False),
        ("REFUSE_UNKNOWN", "True", "refuses_unknown", True),
        ("FORWARD_EVENTS", "", "forward_events", False),
        ("OUTCOMES_TO", "", "outcomes_queue", None),
        ("LOGS_TO", "", "logs_queue", None),
    ],
)
def test_each_variable_has_its_meaning(name: str, value: str, attribute: str, meaning: Any) -> None:
    assert getattr(told(**{name: value}), attribute) == meaning


def test_a_programs_arguments_are_split_like_a_shells_and_nothing_is_expanded() -> None:
    s = told(TASK_ARGS="reco --in {{INFILE}} --name 'a b' $HOME `id`", TASK_ENV_JSON='{"SEED": "7", "N": 3}')
    assert s.task.args == ("reco", "--in", "{{INFILE}}", "--name", "a b", "$HOME", "`id`")
    assert s.task.environment == {"SEED": "7", "N": "3"}


def test_init_runs_only_if_it_has_an_image() -> None:
    assert told(INIT_ARGS="fetch").init is None
    init = told(INIT_IMAGE="/images/fetch", INIT_ARGS="fetch {{DATA_HUB}}").init
    assert init is not None
    assert init.args == ("fetch", "{{DATA_HUB}}")


def test_queues_are_joined_by_semicolons_with_one_address_for_all_or_one_for_each() -> None:
    s = told(QUEUE_INCOMING="a;b", QUEUE_INCOMING_AUTH_TOKEN="t1;t2")
    assert [(q.mqid, q.address, q.token) for q in s.inputs] == [
        ("a", "user@mq:5672/ewms", "t1"),
        ("b", "user@mq:5672/ewms", "t2"),
    ]
    s = told(QUEUE_OUTGOING="a;b", QUEUE_OUTGOING_BROKER_ADDRESS="h1;h2")
    assert [q.address for q in s.outputs] == ["h1", "h2"]
    assert "for each of the 3 queues" in problem(QUEUE_INCOMING="a;b;c", QUEUE_INCOMING_BROKER_ADDRESS="h1;h2")


def test_a_source_needs_no_input_and_a_sink_no_output() -> None:
    assert told(QUEUE_INCOMING="").inputs == ()
    assert told(QUEUE_OUTGOING="").outputs == ()
    assert "EWMS_PILOT_QUEUE_OUTGOING" in problem(QUEUE_INCOMING="", QUEUE_OUTGOING="")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TASK_IMAGE", ""),
        ("TASK_IMAGE", "--privileged"),
        ("INIT_IMAGE", "-v"),
        ("TASK_ARGS", "echo 'open"),
        ("TASK_ENV_JSON", "[1]"),
        ("TASK_ENV_JSON", "{"),
        ("TASK_ENV_JSON", '{"A-B": "x"}'),
        ("TASK_ENV_JSON", '{"A": true}'),
        ("TASK_ENV_JSON", '{"A": {"deep": 1}}'),
        ("INIT_ENV_JSON", '{"1A": "x"}'),
        ("PREFETCH", "many"),
        ("TIMEOUT_QUEUE_INCOMING", "-1"),
        ("TIMEOUT_QUEUE_INCOMING", "inf"),
        ("TASK_TIMEOUT", "nan"),
        ("MAX_CONCURRENT_TASKS", "1.5"),
        ("HTCHIRP", "maybe"),
        ("HTCHIRP_DEST", "ELSEWHERE"),
        ("_EWMS_PILOT_CONTAINER_PLATFORM", "lxc"),
        ("INFILE_EXT", "../../etc/passwd"),
        ("OUTFILE_EXT", "a/b"),
        ("QUEUE_INCOMING", "a;a"),
        ("QUEUE_INCOMING_BROKER_ADDRESS", ""),
        ("QUEUE_INCOMING_BROKER_TYPE", "pulsar"),
        ("CL_LOG", "LOUD"),
        ("TASK_MODE", "batch"),
        ("TASK_START_TIMEOUT", "soon"),
    ],
)
def test_a_wrong_value_is_answered_with_the_variable_the_rule_and_the_remedy(name: str, value: str) -> None:
    text = problem(**{name: value})
    assert (name if name.startswith("_") else f"EWMS_PILOT_{name}") in text
    assert "; " in text


def test_quarantine_needs_a_pilot_that_stops_on_errors() -> None:
    assert "STOP_LISTENING_ON_TASK_ERROR" in problem(QUARANTINE_TIME="5", STOP_LISTENING_ON_TASK_ERROR="False")


@pytest.mark.parametrize("name", ["{{INFILE}}", "{{IN_FILE}}", "{{OUTFILE}}", "{{OUT_FILE}}"])
def test_a_warm_task_has_no_files_to_name(name: str) -> None:
    text = problem(TASK_MODE="stream", TASK_ARGS=f"reco --x={name}")
    assert "EWMS_PILOT_TASK_ARGS must not name" in text
    assert "reads events from standard input" in text
    assert told(TASK_MODE="stream", TASK_ARGS="reco {{DATA_HUB}}").task.args == ("reco", "{{DATA_HUB}}")


def test_a_source_cannot_be_warm() -> None:
    text = problem(TASK_MODE="stream", QUEUE_INCOMING="")
    assert text.count("EWMS_PILOT_") == 1
    assert "EWMS_PILOT_TASK_MODE stream needs an input queue" in text
    assert told(TASK_MODE="stream", QUEUE_OUTGOING="").task_mode is TaskMode.STREAM


def test_all_problems_are_reported_together_and_no_value_is_repeated() -> None:
    text = problem(PREFETCH="s3cret", TASK_TIMEOUT="s3cret", HTCHIRP="s3cret", QUEUE_INCOMING_AUTH_TOKEN="s3;cr;et")
    assert text.count("EWMS_PILOT_") >= 4
    assert "s3cret" not in text
    assert "s3;" not in text


def test_a_bare_process_needs_a_command_and_no_image() -> None:
    assert told(_EWMS_PILOT_CONTAINER_PLATFORM="none", TASK_IMAGE="", TASK_ARGS="cp a b").task.image == ""
    assert "EWMS_PILOT_TASK_ARGS" in problem(_EWMS_PILOT_CONTAINER_PLATFORM="none", TASK_ARGS="")


def test_names_that_nothing_reads_are_found() -> None:
    assert told(TASK_TIMOUT="3").unknown == ("EWMS_PILOT_TASK_TIMOUT",)
    assert told(TASK_TIMEOUT="3", HTCHIRP_FD="4", INIT_ARGS="x").unknown == ()


def test_how_to_chirp_is_known_whatever_else_is_wrong() -> None:
    told_chirp = read_chirp({"EWMS_PILOT_HTCHIRP": "True", "EWMS_PILOT_HTCHIRP_FD": "5", "EWMS_PILOT_PREFETCH": "x"})
    assert (told_chirp.wanted, told_chirp.fd) == (True, 5)


def test_tokens_do_not_show_in_the_settings_text() -> None:
    assert "hush" not in repr(told(QUEUE_INCOMING_AUTH_TOKEN="hush"))


FREE = [*sorted(MINIMAL), "EWMS_PILOT_TASK_ARGS", "EWMS_PILOT_TASK_ENV_JSON", "EWMS_PILOT_EXTERNAL_DIRECTORIES"]


@given(st.dictionaries(st.sampled_from(FREE), st.text(";-\\'\" \n{}a0") | st.text()))
def test_any_text_is_either_understood_or_refused(variables: dict[str, str]) -> None:
    with contextlib.suppress(SettingsInvalid):
        read_settings({**MINIMAL, **variables}, directory="/job")


def test_each_output_queue_has_the_wire_format_that_is_said_or_ours() -> None:
    assert [queue.wire for queue in told().outputs] == [Wire.EWMS]
    assert [queue.wire for queue in told(QUEUE_OUTGOING="a;b", QUEUE_OUTGOING_WIRE="legacy").outputs] == [
        Wire.LEGACY
    ] * 2
    mixed = told(QUEUE_OUTGOING="a;b", QUEUE_OUTGOING_WIRE="Legacy;ewms").outputs
    assert [queue.wire for queue in mixed] == [Wire.LEGACY, Wire.EWMS]
    assert "EWMS_PILOT_QUEUE_OUTGOING_WIRE must be of ewms, legacy" in problem(QUEUE_OUTGOING_WIRE="pickle")


QUEUES = {
    "QUEUE_OUTGOING": "amade;aout;alog",
    "QUEUE_OUTGOING_ALIAS": "made;outcomes;logs",
}


def test_the_queues_for_outcomes_and_logs_get_no_output_of_the_task() -> None:
    s = told(**QUEUES, OUTCOMES_TO="outcomes", LOGS_TO="logs")
    assert s.outcomes_queue is not None
    assert s.logs_queue is not None
    assert (s.outcomes_queue.mqid, s.logs_queue.mqid) == ("aout", "alog")
    assert [queue.mqid for queue in s.task_outputs] == ["amade"]
    assert [queue.mqid for queue in told(**QUEUES).task_outputs] == ["amade", "aout", "alog"]


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({"OUTCOMES_TO": "results"}, "OUTCOMES_TO must be the alias of an output queue"),
        ({"OUTCOMES_TO": "outcomes", "LOGS_TO": "outcomes"}, "LOGS_TO must name another queue"),
        ({"LOGS_TO": "logs"}, "LOGS_TO needs EWMS_PILOT_OUTCOMES_TO"),
        ({"AT_MOST_ONCE": "True"}, "AT_MOST_ONCE needs EWMS_PILOT_OUTCOMES_TO"),
        ({"AT_MOST_ONCE": "True", "OUTCOMES_TO": "outcomes", "QUEUE_INCOMING": "a;b"}, "exactly one input queue"),
        ({"OUTCOMES_TO": "outcomes", "TASK_MODE": "stream"}, "OUTCOMES_TO is not allowed with"),
        ({"PAYLOAD_ARGUMENT": "True", "TASK_MODE": "stream"}, "PAYLOAD_ARGUMENT is not allowed with"),
        ({"FORWARD_EVENTS": "True", "QUEUE_INCOMING": ""}, "FORWARD_EVENTS needs an input queue"),
        (
            {
                "FORWARD_EVENTS": "True",
                "OUTCOMES_TO": "made",
                "QUEUE_OUTGOING": "amade",
                "QUEUE_OUTGOING_ALIAS": "made",
            },
            "FORWARD_EVENTS needs an output queue",
        ),
        ({"TRACE_ONE_IN": "-1"}, "TRACE_ONE_IN must be 0 or more"),
        ({"LOG_LIMIT": "0"}, "LOG_LIMIT must be a number of bytes"),
        ({"REFUSE_UNKNOWN": "True", "AT_MOST_TWICE": "True"}, "EWMS_PILOT_AT_MOST_TWICE: this pilot does not know it"),
        ({"LOG_LIMIT": "67108865"}, "LOG_LIMIT must be a number of bytes"),
    ],
)
def test_settings_of_outcomes_that_do_not_fit_together_are_refused(variables: dict[str, str], says: str) -> None:
    assert says in problem(**{**QUEUES, **variables})
