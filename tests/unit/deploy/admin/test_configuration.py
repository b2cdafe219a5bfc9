"""`ewms-admin config check`: it shows all settings, no secret, and each fault with its remedy."""

import os
from pathlib import Path

import pytest
from pydantic import SecretStr

from deploy.admin.__main__ import EXIT_FAULTY, EXIT_UNUSABLE, main
from deploy.admin.configuration import MASK, describe_value

ROOT = Path(__file__).parents[4]
EXAMPLES = ROOT / "deploy/systemd"


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(("EWMS_", "MONGODB_"))]:
        monkeypatch.delenv(name)


def write_file(path: Path, *lines: str, mode: int = 0o600) -> str:
    path.write_text("".join(f"{line}\n" for line in lines))
    path.chmod(mode)
    return str(path)


WMS = (
    "EWMS_CONTROL_AMQP_URL=amqps://wms:hunter2@broker/ewms-control",
    "EWMS_MONGO_URL=mongodb://127.0.0.1/WMS_DB",
    "EWMS_AUTH_ISSUER=https://login.example.org",
)
MQS = (
    "EWMS_CONTROL_AMQP_URL=amqps://mqs:hunter2@broker/ewms-control",
    "EWMS_DATA_AMQP_URL=amqps://mqs:hunter2@broker/ewms",
    "EWMS_RABBITMQ_API_URL=https://mqs:hunter2@broker:15671",
    "EWMS_MONGO_URL=mongodb://127.0.0.1/MQS_DB",
    "EWMS_BROKER_ADDRESS=broker:5671/ewms",
)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (SecretStr("amqps://wms:hunter2@broker:5671/v"), f"amqps://wms:{MASK}@broker:5671/v"),
        (SecretStr("mongodb://a:p%40x@h1,h2/D"), f"mongodb://a:{MASK}@h1,h2/D"),
        (SecretStr("amqp://a:p@x/y:z@host/v"), f"amqp://a:{MASK}@host/v"),
        (SecretStr("hunter2"), MASK),
        (SecretStr(""), ""),
        ((SecretStr("a"), SecretStr("b")), "2 secrets"),
        (("a", "b"), '["a","b"]'),
        (7, "7"),
        (Path("/x"), '"/x"'),
    ],
)
def test_secrets_are_masked(value: object, shown: str) -> None:
    assert describe_value(value) == shown


def test_right_settings_are_printed_without_secrets(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "check", "wms", "--env-file", write_file(tmp_path / "wms.env", *WMS)]) == 0
    printed = capsys.readouterr()
    assert f"EWMS_CONTROL_AMQP_URL=amqps://wms:{MASK}@broker/ewms-control\n" in printed.out
    assert "EWMS_GATEWAY_PORT=8080   (default)\n" in printed.out
    assert "hunter2" not in printed.out + printed.err


def test_a_wrong_value_is_named_with_its_rule_and_never_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write_file(tmp_path / "wms.env", *WMS, "EWMS_GATEWAY_PORT=sesame")
    assert main(["config", "check", "wms", "--env-file", file]) == EXIT_UNUSABLE
    error = capsys.readouterr().err
    assert error.startswith("wms cannot start: EWMS_GATEWAY_PORT")
    assert "sesame" not in error


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("EWMS_GATEWEY_PORT=8080", "EWMS_GATEWEY_PORT: the service has no such setting"),
        ("EWMS_CONTROL_AMQP_URL=amqp://wms:hunter2@broker/v", "EWMS_CONTROL_AMQP_URL: the password goes to broker"),
        ("EWMS_CONTROL_AMQP_URL=amqp://wms:a@[::1]:1,[fd00::2]:1/v", "EWMS_CONTROL_AMQP_URL: the password goes to [fd"),
    ],
)
def test_what_should_be_mended_is_said(
    line: str, fault: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["config", "check", "wms", "--env-file", write_file(tmp_path / "wms.env", *WMS, line)]) == EXIT_FAULTY
    assert capsys.readouterr().err.startswith(f"wms: {fault}")


def test_a_file_with_passwords_is_its_owners_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write_file(tmp_path / "wms.env", *WMS, mode=0o644)
    assert main(["config", "check", "wms", "--env-file", file]) == EXIT_FAULTY
    assert "mode 0644); chmod 600" in capsys.readouterr().err


def test_the_files_that_settings_name_are_looked_at(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    key = write_file(tmp_path / "key.pem", "key", mode=0o640)
    files = (f"EWMS_BROKER_KEY_FILE={key}", "EWMS_BROKER_PUBLIC_KEY_FILE=/nowhere.pub")
    assert main(["config", "check", "mqs", "--env-file", write_file(tmp_path / "e", *MQS, *files)]) == EXIT_FAULTY
    assert capsys.readouterr().err.splitlines() == [
        "mqs: EWMS_BROKER_KEY_FILE: other accounts can read the file (mode 0640); chmod 600",
        "mqs: EWMS_BROKER_PUBLIC_KEY_FILE: there is no such file or directory",
    ]


def test_a_missing_file_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "check", "tms", "--env-file", "/nowhere.env"]) == EXIT_UNUSABLE
    assert capsys.readouterr().err == "tms cannot start: /nowhere.env: there is no such file\n"


@pytest.mark.parametrize("service", ["wms", "mqs", "tms", "steps"])
def test_the_examples_of_the_units_name_only_settings_that_there_are(
    service: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (EXAMPLES / f"{service}.env.example").read_text().replace('["KEY"]', "[]")
    file = write_file(tmp_path / f"{service}.env", text)
    assert main(["config", "check", service, "--env-file", file]) in (0, EXIT_FAULTY)
    faults = capsys.readouterr().err
    assert "no such setting" not in faults
    assert "in clear" not in faults
