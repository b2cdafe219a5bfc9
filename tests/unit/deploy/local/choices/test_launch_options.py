"""What the environment asks of a launch is heard, checked, and told apart from what is the launcher's own."""

import json
from pathlib import Path

import pytest

from deploy.local.choices.launch_options import SCHEDD, read_launch_options
from deploy.local.errors import LaunchError
from deploy.local.files.secret_files import make_key_pair


def _refusal(environment: dict[str, str]) -> LaunchError:
    with pytest.raises(LaunchError) as refused:
        read_launch_options(environment)
    return refused.value


def test_nothing_asked_is_free_ports_new_keys_and_one_pool_by_several_names() -> None:
    wanted = read_launch_options({"HOME": "/home/me", "PATH": "/bin"})
    assert (wanted.gateway_port, wanted.amqp_port, wanted.key_files) == (None, None, None)
    assert wanted.clusters == {"local": {"schedd": SCHEDD}, "sub-2": "local", "osg": "local", "OSG": "local"}
    assert wanted.schedds == [SCHEDD]
    assert wanted.passed_on == {}


@pytest.mark.parametrize(("said", "n_channels"), [("", 16), ("off", 16), ("on", 256), ("1", 256), ("True", 256)])
def test_existing_message_clients_may_open_many_channels(said: str, n_channels: int) -> None:
    assert read_launch_options({"EWMS_LEGACY_CLIENTS": said}).channels == n_channels


def test_ports_are_numbers() -> None:
    wanted = read_launch_options({"EWMS_GATEWAY_PORT": "8080", "EWMS_AMQP_PORT": "5672"})
    assert (wanted.gateway_port, wanted.amqp_port) == (8080, 5672)


@pytest.mark.parametrize(("said", "has_passwords"), [("", True), ("on", True), ("off", False)])
def test_mongodb_asks_for_passwords_unless_told_otherwise(said: str, has_passwords: bool) -> None:
    wanted = read_launch_options({"EWMS_MONGO_AUTH": said})
    assert wanted.mongo_auth is has_passwords
    # It is the server's business; the processes see it in their addresses.
    assert wanted.passed_on == {}


@pytest.mark.parametrize("value", ["no", "OFF", "0", "false", " off"])
def test_what_is_neither_on_nor_off_is_refused(value: str) -> None:
    refusal = _refusal({"EWMS_MONGO_AUTH": value})
    assert f"EWMS_MONGO_AUTH is {value!r}" in refusal.what
    assert "on or off" in refusal.remedy


def test_what_opens_the_system_to_the_machine_is_said() -> None:
    assert read_launch_options({"EWMS_AUTH": "on"}).notices == []
    auth, mongo = read_launch_options({"EWMS_AUTH": "off", "EWMS_MONGO_AUTH": "off"}).notices
    assert auth.startswith("EWMS_AUTH=off: every account of this machine")
    assert mongo.startswith("EWMS_MONGO_AUTH=off: every account of this machine")
    assert "loopback only" in mongo


@pytest.mark.parametrize("name", ["EWMS_GATEWAY_PORT", "EWMS_AMQP_PORT"])
@pytest.mark.parametrize("value", ["http", "0", "65536", "-1", "80.5", " 80", "٨٠"])
def test_what_is_no_port_is_named(name: str, value: str) -> None:
    assert f"{name} is {value!r}" in _refusal({name: value}).what


def test_a_key_pair_is_taken_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = make_key_pair(tmp_path, "broker")
    names = {"EWMS_BROKER_KEY_FILE": str(keys.private), "EWMS_BROKER_PUBLIC_KEY_FILE": str(keys.public)}
    assert read_launch_options(names).key_files == keys
    monkeypatch.chdir(tmp_path)
    relative = {name: Path(path).name for name, path in names.items()}
    assert read_launch_options(relative).key_files == keys, "the servers run elsewhere, so the paths are made absolute"
    assert "EWMS_BROKER_PUBLIC_KEY_FILE is missing" in _refusal({"EWMS_BROKER_KEY_FILE": str(keys.private)}).what
    names["EWMS_BROKER_KEY_FILE"] = str(tmp_path / "nothing.pem")
    assert f"cannot read {names['EWMS_BROKER_KEY_FILE']} (No such file" in _refusal(names).what


def test_a_clusters_file_takes_the_place_of_the_examples_names(tmp_path: Path) -> None:
    locations = {
        "osg": {"schedd": "grid.example.org", "served_by": "events"},
        "sub-9": {"schedd": "rest.example.org", "served_by": "rest"},
        "again": {"schedd": "grid.example.org"},
        "alias": "osg",
    }
    (file := tmp_path / "clusters.json").write_text(json.dumps(locations))
    wanted = read_launch_options({"EWMS_CLUSTERS_FILE": str(file)})
    assert wanted.clusters == {"local": {"schedd": SCHEDD}, **locations}
    # Whoever works over REST never comes to the broker.
    assert wanted.schedds == [SCHEDD, "grid.example.org"]
    assert read_launch_options({"EWMS_CLUSTERS": json.dumps(locations)}).clusters == wanted.clusters


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("{", "not JSON"),
        ("[]", "not a JSON object"),
        ('{"osg": 3}', "'osg' names no schedd"),
        ('{"osg": {}}', "'osg' names no schedd"),
        ('{"osg": {"schedd": ""}}', "'osg' names no schedd"),
    ],
)
def test_a_clusters_file_that_cannot_be_is_refused_with_an_example(tmp_path: Path, content: str, problem: str) -> None:
    (file := tmp_path / "clusters.json").write_text(content)
    refusal = _refusal({"EWMS_CLUSTERS_FILE": str(file)})
    assert problem in refusal.what
    assert "EWMS_CLUSTERS_FILE" in refusal.what
    assert '"served_by": "events"' in refusal.remedy


def test_a_clusters_file_that_is_not_there_is_named() -> None:
    assert "cannot read /nowhere/clusters.json" in _refusal({"EWMS_CLUSTERS_FILE": "/nowhere/clusters.json"}).what


def test_settings_of_processes_are_passed_on() -> None:
    settings = {
        "EWMS_AUTH": "off",
        "EWMS_LEGACY_CLIENTS": "on",
        "EWMS_IMAGE_DIR": "/images",
        "EWMS_OPENAPI_FILE": "/openapi.json",
        "EWMS_MQS_OPENAPI_FILE": "/mqs.json",
        "EWMS_BROKER_ADDRESS": "user@broker.example.org:5671/ewms",
    }
    assert read_launch_options({**settings, "SECRET": "x"}).passed_on == settings


@pytest.mark.parametrize(
    "name",
    ["EWMS_MONGO_URL", "EWMS_MONGO_DATABASE", "EWMS_CONTROL_AMQP_URL", "EWMS_SCHEDD", "EWMS_TMS_DIR", "EWMS_TOKEN"],
)
def test_a_shell_that_was_set_up_for_another_system_does_not_lead_there(name: str) -> None:
    assert read_launch_options({name: "elsewhere"}).passed_on == {}


def test_directories_that_tasks_may_see_are_known_where_they_are_there(tmp_path: Path) -> None:
    there, missing = str(tmp_path), str(tmp_path / "missing")
    told = {"EWMS_INPUT_ROOTS": json.dumps([there, missing]), "EWMS_EXTERNAL_ROOTS": "no JSON"}
    assert read_launch_options(told).roots == [tmp_path]
    assert read_launch_options({"EWMS_TASKS_AS_ROOT": "on", "EWMS_INPUT_ROOTS": "5"}).roots == []
    assert read_launch_options({"EWMS_TASKS_AS_ROOT": "on"}).passed_on == {}
