"""`ewms-admin broker users`: two files for their owner alone, and passwords that stay when a user comes."""

import json
import re
import stat
from pathlib import Path

import pytest

from deploy.admin.__main__ import EXIT_UNUSABLE, main
from deploy.admin.broker import DEFINITIONS, PASSWORDS
from schemas.broker.topology import CONTROL_VHOST, DATA_VHOST

ROOT = Path(__file__).parents[4]


def test_users_of_a_whole_system_are_written_and_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    directory = tmp_path / "broker"
    words = ["broker", "users", str(directory), "--schedd", "submit.example.org"]
    assert main(words) == 0
    first = json.loads((directory / PASSWORDS).read_text())
    assert first.keys() == {"admin", "wms", "mqs", "tms.submit+2Eexample+2Eorg"}
    assert min(map(len, first.values())) >= 32
    assert not set(capsys.readouterr().out.split()) & set(first.values()), "no password is printed"

    assert main([*words, "--pool", "default"]) == 0
    second = json.loads((directory / PASSWORDS).read_text())
    assert {name: second[name] for name in first} == first
    assert second.keys() - first.keys() == {"steps.default"}
    definitions = json.loads((directory / DEFINITIONS).read_text())
    assert {user["name"] for user in definitions["users"]} == set(second)
    assert {vhost["name"] for vhost in definitions["vhosts"]} == {CONTROL_VHOST, DATA_VHOST}
    assert not [password for password in second.values() if password in json.dumps(definitions)]
    for name in (PASSWORDS, DEFINITIONS):
        assert stat.S_IMODE((directory / name).stat().st_mode) == 0o600


@pytest.mark.parametrize("path", sorted((ROOT / "deploy/systemd").glob("*.env.example")), ids=lambda path: path.name)
def test_the_examples_of_settings_name_the_vhosts_of_these_users_and_of_tokens(path: Path) -> None:
    addresses = re.findall(r"amqps?://\S+?/(\S+)", path.read_text()) + re.findall(
        r"^EWMS_BROKER_ADDRESS=(?:amqps?://)?[^/\s]+/(\S+)$", path.read_text(), re.MULTILINE
    )
    assert set(addresses) <= {CONTROL_VHOST, DATA_VHOST}


@pytest.mark.parametrize("content", ["not JSON", '["a"]', '{"wms": 7}'])
def test_a_foreign_file_is_not_overwritten(content: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / PASSWORDS).write_text(content)
    assert main(["broker", "users", str(tmp_path)]) == EXIT_UNUSABLE
    assert "no file of passwords" in capsys.readouterr().err
    assert (tmp_path / PASSWORDS).read_text() == content
