"""Warm tasks in real containers: kept alive, started again, ended."""

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from deploy.local.fetch.cache import Installed
from deploy.local.fetch.images import UnpackedApptainer, make_busybox_image
from tests.integration.pilot.field import Field
from tests.integration.pilot.test_containers import FAKE_DOCKER, found_sleepers, sleepers
from tests.integration.pilot.test_ends import gone
from tests.waiting import eventually

#: A warm task is no matter of language: this one is a shell's. It counts its events, fails at some, dies at others.
LOOP = """
sleep {marker} &
n=0
while read -r line; do
  n=$((n + 1)); id=${{line#*\\"id\\":\\"}}; id=${{id%%\\"*}}
  case $line in
    *fail*) echo "{{\\"id\\":\\"$id\\",\\"error\\":\\"bad pixel\\"}}";;
    *crash*) echo "out of luck" >&2; exit 3;;
    *hang*) sleep {marker};;
    *) echo "{{\\"id\\":\\"$id\\",\\"data\\":{{\\"n\\":$n,\\"hub\\":\\"$EWMS_TASK_DATA_HUB_DIR\\"}}}}";;
  esac
done
"""


@pytest.fixture
def forks_pilots() -> bool:
    """Each pilot is a start of `python`: these tests look at what a container sees of the pilot."""
    return False


@pytest.fixture(scope="module")
def image(installed: Installed, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a shell in it."""
    return make_busybox_image(installed.python_image, tmp_path_factory.mktemp("image") / "busybox")


@pytest.fixture
def marker() -> str:
    """How long the task's own child sleeps: nobody else's does for just as long."""
    return f"33{time.time_ns() % 1_000_000:06d}"


@pytest.fixture(params=["apptainer", "bubblewrap"])
def loop(request: pytest.FixtureRequest, installed: Installed, image: Path, marker: str) -> dict[str, Any]:
    """The variables of the task in a container."""
    return {
        "_EWMS_PILOT_CONTAINER_PLATFORM": request.param,
        "EWMS_PILOT_APPTAINER": str(UnpackedApptainer(installed.containers).program),
        "EWMS_PILOT_TASK_IMAGE": image,
        "EWMS_PILOT_TASK_MODE": "stream",
        "EWMS_PILOT_TASK_ARGS": f"sh -c '{LOOP.format(marker=marker)}'",
        "EWMS_PILOT_TIMEOUT_QUEUE_INCOMING": 30,
    }


@pytest.fixture
def path(installed: Installed) -> dict[str, str]:
    """The environment in which bubblewrap is found."""
    return {"PATH": f"{installed.containers / 'usr/bin'}:/usr/bin:/bin"}


async def none_sleeps(marker: str) -> None:
    """Return when nothing of the task is left: a killed process takes its moment to go."""
    await eventually(lambda: not found_sleepers(marker))


def counts(messages: list[Any]) -> list[int]:
    return [json.loads(message.body)["n"] for message in messages]


async def test_one_container_serves_all_events_until_it_crashes_and_then_another_does(
    workflow: Field, loop: dict[str, Any], path: dict[str, str], marker: str
) -> None:
    source, sink = await workflow.queue(), await workflow.queue()
    pilot = await workflow.pilot(loop, inputs=[source], outputs=[sink], environment=path)
    await workflow.put(source, *[b"1"] * 10)
    outputs = await workflow.take(sink, 10)
    assert counts(outputs) == list(range(1, 11))
    assert json.loads(outputs[0].body)["hub"] == "/ewms-pilot-data/data-hub"
    first = await sleepers(marker)

    await workflow.put(source, b'"fail"')
    await pilot.until(lambda pilot: any("task failed: bad pixel" in line for line in pilot.said))
    await workflow.dead()
    await workflow.put(source, b"2")
    (output,) = await workflow.take(sink, 1)
    assert counts([output]) == [16], "five attempts later it is still the same container"

    await workflow.put(source, b'"crash"')
    await pilot.until(
        lambda pilot: any("(exit code 3) in the middle of an event: out of luck" in s for s in pilot.said)
    )
    await workflow.dead()
    assert await gone(first), "the crashed container left something"
    await workflow.put(source, b"3")
    (output,) = await workflow.take(sink, 1)
    assert counts([output]) == [1]
    pilot.signal(signal.SIGTERM)
    assert await pilot.ended() == 0, pilot.log
    await none_sleeps(marker)


async def test_a_container_that_hangs_is_killed_with_all_that_it_started(
    workflow: Field, loop: dict[str, Any], path: dict[str, str], marker: str
) -> None:
    source, sink = await workflow.queue(), await workflow.queue()
    await workflow.put(source, b"1")
    # The start's time is the first event's only, so a slow start spoils nothing and the second one's time is short.
    limits = {"EWMS_PILOT_TASK_TIMEOUT": 2, "EWMS_PILOT_TASK_START_TIMEOUT": 30}
    stop = {"EWMS_PILOT_STOP_LISTENING_ON_TASK_ERROR": "True"}
    pilot = await workflow.pilot({**loop, **limits, **stop}, inputs=[source], outputs=[sink], environment=path)
    await workflow.take(sink, 1)
    sleeping = await sleepers(marker)
    await workflow.put(source, b'"hang"')
    assert await pilot.ended() == 1
    assert any("timed out after 2s" in line for line in pilot.said)
    assert await gone(sleeping)


async def test_kill_9_takes_the_container_along(
    workflow: Field, loop: dict[str, Any], path: dict[str, str], marker: str
) -> None:
    source = await workflow.queue()
    await workflow.put(source, b'"hang"')
    pilot = await workflow.pilot(loop, inputs=[source], environment=path)
    await pilot.tasking()
    sleeping = await sleepers(marker)
    pilot.signal(signal.SIGKILL)
    await pilot.ended()
    assert await gone(sleeping)
    assert len(await workflow.take(source, 1)) == 1


async def test_docker_gets_the_standard_input_and_is_ended_by_name(
    workflow: Field, tmp_path: Path, marker: str
) -> None:
    source, sink = await workflow.queue(), await workflow.queue()
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "docker"
    program.write_text(FAKE_DOCKER.format(python=sys.executable))
    program.chmod(0o755)
    variables = {
        "_EWMS_PILOT_CONTAINER_PLATFORM": "docker",
        "EWMS_PILOT_TASK_IMAGE": "registry/reco:2.0",
        "EWMS_PILOT_TASK_MODE": "stream",
        "EWMS_PILOT_TASK_ARGS": f"sh -c '{LOOP.format(marker=marker)}'",
        "EWMS_PILOT_TASK_TIMEOUT": 2,
        "EWMS_PILOT_TASK_START_TIMEOUT": 30,
        "EWMS_PILOT_STOP_LISTENING_ON_TASK_ERROR": "True",
        "EWMS_PILOT_TIMEOUT_QUEUE_INCOMING": 30,
    }
    environment = {"PATH": f"{tmp_path}/bin:{os.environ['PATH']}"}
    pilot = await workflow.pilot(variables, inputs=[source], outputs=[sink], environment=environment)
    await workflow.put(source, b"1", b"2")
    assert counts(await workflow.take(sink, 2)) == [1, 2]
    await workflow.put(source, b'"hang"')
    assert await pilot.ended() == 1
    calls = [line.split() for line in (tmp_path / "bin/calls").read_text().splitlines()]
    assert "--interactive" in next(words for words in calls if words[0] == "run")
    (name,) = (words[2] for words in calls if words[:2] == ["rm", "--force"])
    assert name.startswith("ewms-warm-")
    assert await gone([int((tmp_path / "bin" / name).read_text())])
    await none_sleeps(marker)
