"""Where the variables come from, and where they do not go."""

import asyncio
import json
import time
from pathlib import Path

import pytest

from pilot.app import gather_variables, scrub_variables, wait_until_built
from pilot.containers.own_process import process_began_s
from pilot.errors import SettingsInvalid, StartOutlivedWorker
from pilot.runners.run import Pilot
from pilot.runtimes.choice import Image, choose_platform
from pilot.settings import read_settings
from schemas.pilot.options import Platform


def test_real_variables_override_the_task_files(tmp_path: Path) -> None:
    file = tmp_path / "ewms_pilot_task.json"
    file.write_text(json.dumps({"environment": {"EWMS_PILOT_PREFETCH": 3, "EWMS_PILOT_TASK_ARGS": "a"}}))
    assert gather_variables({"EWMS_PILOT_TASK_ARGS": "b", "PATH": "/bin"}, file) == {
        "EWMS_PILOT_PREFETCH": "3",
        "EWMS_PILOT_TASK_ARGS": "b",
        "PATH": "/bin",
    }


def test_without_a_task_file_the_environment_is_enough(tmp_path: Path) -> None:
    assert gather_variables({"A": "1"}, tmp_path / "none") == {"A": "1"}


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"environment": 3}', '{"environment": null}'])
def test_a_damaged_task_file_is_named(tmp_path: Path, text: str) -> None:
    file = tmp_path / "ewms_pilot_task.json"
    file.write_text(text)
    with pytest.raises(SettingsInvalid, match=r"ewms_pilot_task\.json"):
        gather_variables({}, file)


def test_nothing_of_the_pilots_stays_in_its_environment() -> None:
    environment = {"EWMS_PILOT_X": "1", "_EWMS_PILOT_Y": "2", "PATH": "/bin", "EWMS_OTHER": "3"}
    scrub_variables(environment)
    assert environment == {"PATH": "/bin", "EWMS_OTHER": "3"}


@pytest.mark.parametrize(
    ("variables", "image", "platform"),
    [
        ({"_EWMS_PILOT_CONTAINER_PLATFORM": "podman"}, Image("x", "/x"), Platform.PODMAN),
        ({}, Image("/images/x", "/images/x", is_directory=True), Platform.APPTAINER),
        ({}, Image("reco:2.0"), Platform.DOCKER),
        ({"EWMS_PILOT_APPTAINER": "/bin/apptainer"}, Image("docker://x"), Platform.APPTAINER),
    ],
)
def test_the_platform_follows_the_image_unless_it_is_set(
    variables: dict[str, str], image: Image, platform: Platform
) -> None:
    needed = {
        "EWMS_PILOT_TASK_IMAGE": "x",
        "EWMS_PILOT_QUEUE_INCOMING": "a",
        "EWMS_PILOT_QUEUE_INCOMING_BROKER_ADDRESS": "h",
    }
    assert choose_platform(read_settings({**needed, **variables}, directory="/"), image) is platform


async def test_a_start_that_takes_a_workers_whole_life_is_named() -> None:
    building: asyncio.Task[Pilot] = asyncio.create_task(asyncio.Event().wait())  # type: ignore[arg-type]  # never ends
    with pytest.raises(StartOutlivedWorker, match="raise max_worker_runtime"):
        await wait_until_built(building, 0.001)  # of which this process has lived more already


def test_a_process_knows_when_it_began() -> None:
    age_s = time.monotonic() - process_began_s()
    assert 0 < age_s < time.clock_gettime(time.CLOCK_BOOTTIME)
