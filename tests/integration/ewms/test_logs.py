"""The workers' logs, as the client and the command fetch them from a gateway that may be anybody's."""

import json
from pathlib import Path
from typing import Any

import pytest

from ewms import Client
from ewms.errors import NotThere, ServerFailed
from tests.integration.ewms.conftest import WORKFLOW, Asked, FakeGateway
from tests.integration.ewms.test_command import TASKFORCE, ewms

UUID = TASKFORCE["taskforce_uuid"]
OUTPUT = {"0.out": b"", "0.err": "töne\x1b[2J\n".encode() * 300, "2.out": b"two", "2.err": b"\xff"}


def listed(*names: str, next_proc: int | None = None) -> tuple[int, Any, dict[str, str]]:
    files = [
        {"name": name, "n_bytes": len(OUTPUT.get(name, b"")), "modified_at": "2026-11-21T05:00:00Z"} for name in names
    ]
    return 200, {"taskforce_uuid": UUID, "logs": files, "next_proc": next_proc}, {}


@pytest.fixture
def kept(gateway: FakeGateway) -> FakeGateway:
    """A gateway that has OUTPUT, in two pages, and gives 1000 bytes at a time."""
    gateway.on(f"GET /v1/taskforces/{UUID}", (200, TASKFORCE, {}))
    gateway.on(f"GET /v1/taskforces/{UUID}/logs", listed("0.err", "0.out", next_proc=2))
    gateway.on(f"GET /v1/taskforces/{UUID}/logs?first_proc=2", listed("2.err", "2.out"))
    for name, content in OUTPUT.items():

        def stretch(asked: Asked, content: bytes = content) -> tuple[int, Any, dict[str, str]]:
            word, _, number = asked.path.partition("?")[2].partition("=")
            start = int(number) if word == "offset" else max(0, len(content) - int(number))
            return 200, content[start : start + 1000], {"X-EWMS-Log-Bytes": str(len(content))}

        gateway.routes[f"GET /v1/taskforces/{UUID}/logs/{name}"] = stretch
    return gateway


def test_logs_are_listed_over_all_pages_and_read_whole(kept: FakeGateway) -> None:
    with Client(kept.url, token="t") as ews:
        found = {log.name: b"".join(ews.read_log(log)) for log in ews.logs(UUID)}
        ends = [b"".join(ews.read_log(log, tail=2)) for log in ews.logs(UUID, workers=[2])]
    assert found == OUTPUT
    assert ends == [b"\xff", b"wo"]


def test_the_command_writes_the_bytes_as_they_are_where_no_terminal_reads_them(kept: FakeGateway) -> None:
    done = ewms(kept, "taskforce", "logs", UUID, "--worker", "0", "-q")
    assert (done.returncode, done.stdout.encode(), done.stderr) == (0, OUTPUT["0.err"], "")


def test_the_command_writes_files_named_by_taskforce_and_worker(kept: FakeGateway, tmp_path: Path) -> None:
    done = ewms(kept, "task", "logs", UUID, "--to", str(tmp_path / "new"), "-o", "json")
    assert done.returncode == 0, done.stderr
    assert {path.name: path.read_bytes() for path in (tmp_path / "new" / UUID).iterdir()} == OUTPUT
    assert {Path(log["path"]).name for log in json.loads(done.stdout)["logs"]} == set(OUTPUT)


@pytest.mark.parametrize("name", ["../../x.out", "/etc/passwd", "0.out/../../x", "0.log", "٣.out", "0.out\n", ""])
def test_a_name_that_is_no_log_s_is_never_a_path(name: str, gateway: FakeGateway, tmp_path: Path) -> None:
    gateway.on(f"GET /v1/taskforces/{UUID}", (200, TASKFORCE, {}))
    gateway.on(f"GET /v1/taskforces/{UUID}/logs", listed(name))
    done = ewms(gateway, "task", "logs", UUID, "--to", str(tmp_path / "new"))
    assert (done.returncode, list(tmp_path.iterdir())) == (1, [])
    assert "not the name of a log" in done.stderr


def test_a_taskforce_whose_id_is_none_is_never_a_path(gateway: FakeGateway) -> None:
    gateway.on(f"GET /v1/taskforces/{UUID}", (200, TASKFORCE | {"taskforce_uuid": "../../x"}, {}))
    with Client(gateway.url, token="t") as ews, pytest.raises(ServerFailed, match="not the id of one"):
        ews.logs(UUID)


@pytest.mark.parametrize(("kept_by_request", "hint"), [(False, "do_transfer_worker_stdouterr"), (True, "has ended")])
def test_no_logs_come_with_the_reason(kept_by_request: bool, hint: str, gateway: FakeGateway) -> None:
    config = TASKFORCE["worker_config"] | {"do_transfer_worker_stdouterr": kept_by_request}
    gateway.on(f"GET /v1/workflows/{WORKFLOW}", (200, {}, {}))
    gateway.on("POST /v1/query/taskforces", (200, {"taskforces": [TASKFORCE | {"worker_config": config}]}, {}))
    gateway.on(f"GET /v1/taskforces/{UUID}/logs", listed())
    with Client(gateway.url, token="t") as ews, pytest.raises(NotThere) as caught:
        ews.logs(WORKFLOW)
    assert hint in caught.value.hint


@pytest.mark.parametrize("names", [[], ["0.err"]])
def test_the_command_names_the_kills_that_no_log_has(names: list[str], gateway: FakeGateway) -> None:
    latest = [{"worker": 3, "slot": "slot1@node7", "at": "2026-11-29T12:03:11Z"}]
    kills = [{"signal": "SIGKILL", "n_kills": 1, "last_at": "2026-11-29T12:03:11Z", "latest": latest}]
    health = {
        "stuck": "", "n_submit_failures": 0, "n_remove_failures": 0, "retry_at": None, "ended_at": None,
        "status_as_of": None, "exit_codes": {}, "stale": False, "kills": kills,
    }  # fmt: skip
    gateway.on(f"GET /v1/taskforces/{UUID}", (200, TASKFORCE | {"health": health}, {}))
    gateway.on(f"GET /v1/taskforces/{UUID}/logs", listed(*names))
    gateway.on(f"GET /v1/taskforces/{UUID}/logs/0.err", (200, b"", {"X-EWMS-Log-Bytes": "0"}))
    done = ewms(gateway, "taskforce", "logs", UUID)
    assert done.returncode == (0 if names else 4)
    told = "pilots were killed 1 time(s) by SIGKILL, the last at 2026-11-29 12:03:11 UTC: worker 3 on slot1@node7"
    assert f"{UUID}: {told}" in done.stderr
    assert "cannot report which events it had" in done.stderr


def test_a_directory_that_cannot_be_written_is_a_usage_error(kept: FakeGateway, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = ewms(kept, "task", "logs", UUID, "--to", str(tmp_path / "file"))
    assert done.returncode == 2
    assert "Not a directory" in done.stderr
