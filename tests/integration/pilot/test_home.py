"""Every task has a home directory of its own that it can write, unless its user names another."""

import json
import shlex
from pathlib import Path

import pytest

from deploy.local.fetch.cache import Installed
from deploy.local.fetch.images import UnpackedApptainer, make_busybox_image
from tests.integration.pilot.field import Field

#: Says where home is, what was in it before, and whether it can be written.
SCRIPT = 'cd "$HOME" && (echo "$HOME"; ls -A; mkdir -p .cache/x && echo y > .cache/x/y && cat .cache/x/y)'


@pytest.fixture
def forks_pilots() -> bool:
    """Each pilot is a start of `python`: these tests look at what a container sees of the pilot."""
    return False


@pytest.fixture(scope="module")
def image(installed: Installed, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_busybox_image(installed.python_image, tmp_path_factory.mktemp("image") / "busybox")


def runtime(name: str, installed: Installed, image: Path) -> dict[str, object]:
    """The variables of a pilot whose tasks run in `name`."""
    platform: dict[str, object] = {"_EWMS_PILOT_CONTAINER_PLATFORM": name, "EWMS_PILOT_TASK_IMAGE": image}
    if name == "apptainer":
        return {**platform, "EWMS_PILOT_APPTAINER": str(UnpackedApptainer(installed.containers).program)}
    return platform


@pytest.fixture
def programs(installed: Installed) -> dict[str, str]:
    """The pilot's environment, with container programs in its PATH."""
    return {"PATH": f"{installed.containers}/usr/bin:/usr/bin:/bin"}


@pytest.mark.parametrize("name", ["apptainer", "bubblewrap", "none"])
async def test_home_is_empty_and_can_be_written_at_each_event(
    workflow: Field, installed: Installed, image: Path, programs: dict[str, str], name: str
) -> None:
    source, sink = await workflow.queue(), await workflow.queue()
    await workflow.put(source, b"1", b"2")
    variables = {
        **runtime(name, installed, image),
        "EWMS_PILOT_TASK_ARGS": f"sh -c {shlex.quote(SCRIPT + ' > $EWMS_TASK_OUTFILE')}",
    }
    pilot = await workflow.pilot(variables, inputs=[source], outputs=[sink], environment=programs)
    said = [message.body.decode().splitlines() for message in await workflow.take(sink, 2)]
    assert await pilot.ended() == 0, pilot.log
    for home, *rest in said:
        assert rest == ["y"], "what another run had left was there"
        assert home == "/ewms-pilot-data/home" or (name == "none" and home.endswith("/home"))
    assert not list(workflow.directory.rglob("ewms-pilot-data/*/home"))


@pytest.mark.parametrize("name", ["apptainer", "bubblewrap", "none"])
async def test_a_home_of_task_env_is_taken(
    workflow: Field, installed: Installed, image: Path, programs: dict[str, str], name: str
) -> None:
    source, sink = await workflow.queue(), await workflow.queue()
    await workflow.put(source, b"1")
    variables = {
        **runtime(name, installed, image),
        "EWMS_PILOT_TASK_ARGS": "sh -c 'echo $HOME > $EWMS_TASK_OUTFILE'",
        "EWMS_PILOT_TASK_ENV_JSON": json.dumps({"HOME": "/tmp/of mine"}),
    }
    pilot = await workflow.pilot(variables, inputs=[source], outputs=[sink], environment=programs)
    (output,) = await workflow.take(sink, 1)
    assert output.body == b"/tmp/of mine\n"
    assert await pilot.ended() == 0
    assert "HOME" not in pilot.log


@pytest.mark.parametrize("name", ["apptainer", "none"])
async def test_the_init_container_and_a_warm_one_have_a_home_too(
    workflow: Field, installed: Installed, image: Path, programs: dict[str, str], name: str
) -> None:
    source, sink = await workflow.queue(), await workflow.queue()
    await workflow.put(source, b"1", b"2")
    # `cat` answers each line by itself, which has the id and the data that an answer needs.
    variables = {
        **runtime(name, installed, image),
        "EWMS_PILOT_INIT_IMAGE": image,
        "EWMS_PILOT_INIT_ARGS": f"sh -c {shlex.quote(SCRIPT)}",
        "EWMS_PILOT_TASK_MODE": "stream",
        "EWMS_PILOT_TASK_ARGS": f"sh -c {shlex.quote(SCRIPT + ' >&2 && exec cat')}",
        "EWMS_PILOT_DUMP_TASK_OUTPUT": "True",
    }
    pilot = await workflow.pilot(variables, inputs=[source], outputs=[sink], environment=programs)
    await workflow.take(sink, 2)
    assert await pilot.ended() == 0, pilot.log
    assert not list(workflow.directory.rglob("ewms-pilot-data/*/home"))
