import json
from pathlib import Path

import pytest

from ewms.errors import NotSignedIn
from ewms.gateway.server import find_pool_address, find_server
from schemas.errors import Rejected


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A directory below one with endpoints."""
    (tmp_path / ".ewms").mkdir()
    endpoints = {"gateway": "http://127.0.0.1:1", "token": "local", "amqp": "", "cluster": "local"}
    (tmp_path / ".ewms/endpoints.json").write_text(json.dumps(endpoints))
    deep = tmp_path / "a/b"
    deep.mkdir(parents=True)
    return deep


def test_the_endpoints_file_above_is_found(here: Path) -> None:
    server = find_server(environment={}, directory=here)
    assert (server.gateway, server.read_token(), server.clusters) == ("http://127.0.0.1:1", "local", ("local",))


def test_arguments_go_before_the_environment_and_that_before_the_file(here: Path) -> None:
    environment = {"EWMS_GATEWAY": "http://env:2/", "EWMS_TOKEN": "env", "EWMS_CLUSTER": "osg"}
    server = find_server(environment=environment, directory=here)
    assert (server.gateway, server.read_token(), server.clusters) == ("http://env:2", "env", ("osg",))
    server = find_server("https://arg", token="arg", environment=environment, directory=here)
    assert (server.gateway, server.read_token()) == ("https://arg", "arg")


def test_the_file_s_token_is_shown_to_no_other_gateway(here: Path) -> None:
    with pytest.raises(NotSignedIn):
        find_server("http://elsewhere", environment={}, directory=here).read_token()


@pytest.mark.parametrize("address", ["http://127.0.0.1:8", "http://localhost:8", "http://[::1]:8"])
def test_a_gateway_of_this_machine_may_need_no_token(address: str, tmp_path: Path) -> None:
    assert find_server(address, environment={}, directory=tmp_path).read_token() == ""


def test_a_token_file_is_read_whenever_the_token_is_needed(here: Path, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("one\n")
    server = find_server(token_file=file, environment={"EWMS_TOKEN": "env"}, directory=here)
    assert server.read_token() == "one"
    file.write_text("two\n")
    assert server.read_token() == "two"


def test_a_missing_token_file_and_a_token_that_cannot_be_sent_say_so(here: Path, tmp_path: Path) -> None:
    with pytest.raises(NotSignedIn, match="cannot read"):
        find_server(token_file=tmp_path / "no", environment={}, directory=here).read_token()
    with pytest.raises(NotSignedIn) as caught:
        find_server(token="line\nend", environment={}, directory=here).read_token()
    assert "line" not in str(caught.value)


def test_without_any_server_the_error_says_how_to_name_one(tmp_path: Path) -> None:
    with pytest.raises(Rejected) as caught:
        find_server(environment={}, directory=tmp_path)
    assert "EWMS_GATEWAY" in caught.value.hint


@pytest.mark.parametrize("address", ["localhost:8080", "ftp://x", "http://", "http://x:99999", "http://x:abc"])
def test_what_is_no_address_is_refused(address: str, tmp_path: Path) -> None:
    with pytest.raises(Rejected, match="not a server address"):
        find_server(address, environment={}, directory=tmp_path)


def test_a_broken_endpoints_file_is_as_good_as_none(tmp_path: Path) -> None:
    (tmp_path / ".ewms").mkdir()
    (tmp_path / ".ewms/endpoints.json").write_text("{")
    with pytest.raises(Rejected, match="no server"):
        find_server(environment={}, directory=tmp_path)


def test_a_server_does_not_show_its_token_when_printed(here: Path) -> None:
    assert "local'" not in repr(find_server(environment={}, directory=here)).replace("('local',)", "")


def test_a_token_that_the_launcher_has_renewed_is_the_one_that_is_shown(here: Path, tmp_path: Path) -> None:
    server = find_server(environment={}, directory=here)
    file = tmp_path / ".ewms/endpoints.json"
    file.write_text(json.dumps({"gateway": "http://127.0.0.1:1/", "token": "renewed"}))
    assert server.read_token() == "renewed"
    file.write_text(json.dumps({"gateway": "http://127.0.0.1:2", "token": "another launch's"}))
    assert server.read_token() == "local"
    file.unlink()
    assert server.read_token() == "local", "the launcher has ended, or is about to write it"


def test_a_step_worker_finds_its_pool_in_the_environment_then_in_the_file(here: Path) -> None:
    file = here.parents[1] / ".ewms" / "endpoints.json"
    file.write_text(json.dumps({"pools": {"default": "amqp://of-the-file"}}))
    assert find_pool_address("default", {}, directory=here) == "amqp://of-the-file"
    assert find_pool_address("default", {"EWMS_CONTROL_AMQP_URL": "amqp://own"}, directory=here) == "amqp://own"
    with pytest.raises(Rejected, match="no broker is known for the pool 'gpu'") as refused:
        find_pool_address("gpu", {}, directory=here)
    assert "EWMS_CONTROL_AMQP_URL" in refused.value.hint
