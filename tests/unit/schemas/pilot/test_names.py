"""The table of the pilot's variables, and the pilot that reads them."""

import pytest

from pilot.errors import SettingsInvalid
from pilot.settings import read_settings
from schemas.attempts.trace_context import ENV_TRACE
from schemas.pilot import names
from schemas.pilot.variables import full_name

#: A pilot's variables without fault.
WHOLE = {
    "EWMS_PILOT_TASK_IMAGE": "/image",
    "EWMS_PILOT_TASK_ARGS": "run",
    "EWMS_PILOT_QUEUE_INCOMING": "a1",
    "EWMS_PILOT_QUEUE_INCOMING_BROKER_ADDRESS": "user@host/vhost",
}

VALUES = (
    "",
    "None",
    "7",
    "0",
    "-1",
    "1.5",
    "10m",
    "nan",
    "True",
    "no",
    "perhaps",
    ".json",
    "/",
    "stream",
    "INFO",
    "512m",
)


class Recording(dict[str, str]):
    """A mapping that knows which of its names somebody has asked for."""

    def __init__(self) -> None:
        super().__init__(WHOLE)
        self.asked: set[str] = set()

    def get(self, key: str, default: object = None) -> object:  # type: ignore[override]  # records, and is the same
        self.asked.add(key)
        return super().get(key, default)


def test_the_table_has_the_names_that_a_pilot_reads_and_no_others() -> None:
    recording = Recording()
    read_settings(recording, directory="/")
    # The trace has the name that OpenTelemetry gives it.
    assert recording.asked == {*names.KNOWN, ENV_TRACE}


#: Variables that a pilot also refuses because of others -> the rule of their own; "" for none.
OWN_RULES = {
    "TASK_MODE": "must be one of",
    "AT_MOST_ONCE": "must be True or False",
    "REFUSE_UNKNOWN": "must be True or False",
    "FORWARD_EVENTS": "must be True or False",
    "OUTCOMES_TO": "",
    "LOGS_TO": "",
}


@pytest.mark.parametrize("name", names.OF_USERS)
def test_a_value_is_wrong_in_a_request_if_and_only_if_the_pilot_would_refuse_it(name: str) -> None:
    for value in VALUES:
        variable = {full_name(name): value}
        try:
            read_settings(WHOLE | variable, directory="/")
            refused = ""
        except SettingsInvalid as error:
            refused = str(error)
        told = names.find_variable_problems(variable)
        if name in OWN_RULES:
            refused = refused if OWN_RULES[name] and OWN_RULES[name] in refused else ""
        assert bool(told) == bool(refused), (name, value, told, refused)


def test_an_image_called_none_asks_for_no_container_unless_a_platform_is_named() -> None:
    assert names.asked_platform("none", {}) == "none"
    assert names.asked_platform("none", {names.PLATFORM: "Docker"}) == "docker"
    assert names.asked_platform("/image", {}) == ""
    bare = read_settings(WHOLE | {"EWMS_PILOT_TASK_IMAGE": "none"}, directory="/")
    assert bare.platform is names.Platform.NONE
