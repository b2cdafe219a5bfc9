"""Whose a data directory is: one launcher's at a time, nobody's but EWMS's, and empty again by `--fresh` alone."""

import os
import signal
from pathlib import Path

import pytest

from deploy.local.data_directory import MARKER
from ewms import Client, Task, Workflow
from tests.integration.deploy.conftest import Launch, wait_until_up
from tests.integration.deploy.restarted_runs import copying_workflow, do_events, end_run_after_restart


@pytest.mark.usefixtures("installed")
def test_a_directory_with_other_files_is_refused_and_not_touched_even_by_a_fresh_start(
    scratch: Path, launch: Launch
) -> None:
    (scratch / "thesis").mkdir()
    (scratch / "thesis/chapter.tex").write_text("all my work")
    refused = launch("up", "--pool", "local", "--data", "thesis", "--fresh")
    assert refused.wait(60) == 1
    assert "chapter.tex" in (scratch / "errors").read_text()
    assert [file.name for file in (scratch / "thesis").iterdir()] == ["chapter.tex"]


@pytest.mark.usefixtures("installed")
def test_data_are_one_launchers_stay_after_its_end_and_go_by_a_fresh_start(scratch: Path, launch: Launch) -> None:
    # Left by a launcher that was killed.
    (scratch / ".ewms").mkdir()
    (scratch / ".ewms/endpoints.json").write_text('{"gateway": "http://127.0.0.1:1"}')
    # Nobody listens there: whatever of ours took a proxy to loopback would not get through.
    nowhere = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
    launcher = launch("up", "--pool", "local", "--data", "data", **nowhere, all_proxy="socks5h://127.0.0.1:9")
    first = wait_until_up(launcher, scratch)
    task = Task(image="none", args="true {{INFILE}}", inputs=["in"], outputs=["out"], clusters=[first["cluster"]])
    with Client(first["gateway"], token=first["token"], timeout=60) as client:
        client.submit(Workflow(public=["in", "out"], tasks=[task]))

    (scratch / "elsewhere").mkdir()
    refused = launch("up", "--pool", "local", "--data", str(scratch / "data"), folder="elsewhere")
    assert refused.wait(60) == 1
    assert f"in use by process {launcher.pid} on {os.uname().nodename}" in (scratch / "elsewhere/errors").read_text()

    launcher.send_signal(signal.SIGTERM)
    assert launcher.wait(120) == 0
    assert f"The data stay in {scratch / 'data'}" in (scratch / "errors").read_text()
    assert not (scratch / ".ewms/endpoints.json").exists()
    assert (scratch / "data" / MARKER).exists()

    launcher = launch("up", "--pool", "local", "--data", "data", "--fresh")
    second = wait_until_up(launcher, scratch)
    assert f"deleting the workflows, events, jobs and keys in {scratch / 'data'}" in (scratch / "errors").read_text()
    with Client(second["gateway"], token=second["token"], timeout=60) as client:
        assert client.workflows() == []
        run = client.submit(copying_workflow(second["cluster"]))
        do_events(run)
    assert second["gateway"] != first["gateway"]

    # What a script types that has put the launcher into the background; it needs no pid.
    ended = launch("down", folder="elsewhere")
    assert ended.wait(60) == 1
    assert "no EWMS runs on" in (scratch / "elsewhere/errors").read_text()
    assert launcher.poll() is None
    assert launch("down", "--data", str(scratch / "data"), folder="elsewhere").wait(120) == 0
    assert f"started in {scratch}. Its data stay" in (scratch / "elsewhere/errors").read_text().replace("\n", "")
    assert launcher.wait(0) == 0

    launcher = launch("up", "--pool", "local", "--data", "data")
    third = wait_until_up(launcher, scratch)
    with Client(third["gateway"], token=third["token"], timeout=60) as client:
        end_run_after_restart(client.run(run.id))
    # Without a name it ends the system of this folder, even if its data lie elsewhere.
    assert launch("down").wait(120) == 0
    assert launcher.wait(0) == 0
