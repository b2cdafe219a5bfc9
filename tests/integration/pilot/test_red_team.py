"""Attacks on the worker by what a user may write: the image, the directories to see, the variables. Each is refused by
name, with the rule and the remedy, before any container starts; and what runs sees none of what a pilot keeps.
"""

import asyncio
import json
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from deploy.local.fetch.cache import Installed
from deploy.local.fetch.images import UnpackedApptainer, make_busybox_image
from pilot.containers.allowed_paths import external_mounts
from pilot.containers.held_paths import find_places, look_at
from pilot.containers.processes import TaskProcesses
from pilot.errors import MountRefused
from pilot.runtimes.choice import choose_runtime
from pilot.settings import read_settings
from schemas.errors import Rejected
from tests.integration.pilot.field import Field
from tests.integration.pilot.test_containers import AS_A_JOB, FAKE_DOCKER

CANARY = "canary-of-the-issuers-key"


@pytest.fixture
def forks_pilots() -> bool:
    """Each pilot is a start of `python`: these tests look at what a task sees of the pilot in /proc."""
    return False


@dataclass(frozen=True, slots=True)
class Ground:
    """A worker with something to steal: `secrets` is EWMS's own, `victim` another user's, `image` a good one."""

    root: Path
    image: Path
    secrets: Path
    victim: Path
    open_: Path


@pytest.fixture
def ground(installed: Installed, tmp_path: Path) -> Ground:
    """Secrets in their places, links that lead to them, and a file that is not the image it says."""
    made = Ground(tmp_path, tmp_path / "images/busybox", *(tmp_path / name for name in ("secrets", "victim", "open")))
    make_busybox_image(installed.python_image, made.image)
    for place in (made.secrets, made.victim, made.open_):
        place.mkdir(mode=0o700)
        (place / "key.pem").write_text(CANARY)
    # Inside of what is ours, something that would do for an image.
    shutil.copytree(made.image, made.secrets / "image", symlinks=True)
    (made.open_ / "link").symlink_to(made.victim)
    (tmp_path / "root-link").symlink_to("/")
    definition = f"Bootstrap: localimage\nFrom: {made.image}\n%setup\n    touch {tmp_path}/escaped\n"
    for name in ("evil.def", "evil.sif"):
        (tmp_path / name).write_text(definition)
    return made


@pytest.fixture
def platform(request: pytest.FixtureRequest, installed: Installed, tmp_path: Path) -> dict[str, Any]:
    """The variables and the environment of a pilot on a platform."""
    name, environment = request.param, {"PATH": f"{installed.containers / 'usr/bin'}:/usr/bin:/bin"}
    if name in ("docker", "podman"):
        (tmp_path / "bin").mkdir()
        program = tmp_path / "bin" / name
        program.write_text(FAKE_DOCKER.format(python=sys.executable))
        program.chmod(0o755)
        environment = {"PATH": f"{tmp_path}/bin:{os.environ['PATH']}"}
    variables = {
        "_EWMS_PILOT_CONTAINER_PLATFORM": name,
        "EWMS_PILOT_APPTAINER": str(UnpackedApptainer(installed.containers).program) if name == "apptainer" else "",
        "_EWMS_PILOT_APPTAINER_IMAGE_DIRECTORY_MUST_BE_PRESENT": "False",
        "_EWMS_PILOT_APPTAINER_BUILD_WORKDIR": str(tmp_path),
        "EWMS_PILOT_TASK_ARGS": "cat key.pem",
        "EWMS_PILOT_EXTERNAL_ROOTS": str(tmp_path / "open"),
        "EWMS_PILOT_PROTECTED_DIRECTORIES": str(tmp_path / "secrets"),
    }
    return {"variables": variables, "environment": environment}


def images(ground: Ground) -> dict[str, str]:
    """Return hostile images, and what their refusal says."""
    return {
        "/": "the worker's own file system",
        f"{ground.root}/root-link": "the worker's own file system",
        "/proc/self/root": "keeps for itself",
        "/etc": "the worker's system",
        str(ground.victim): "does not look like a root file system",
        str(ground.secrets): "a directory of EWMS itself",
        f"{ground.secrets}/image": "a directory of EWMS itself",
        f"{ground.secrets}/key.pem": "a directory of EWMS itself",
        ".": "the pilot's own files",
        f"{ground.root}/evil.def": "is not an image file",
        f"{ground.root}/evil.sif": "is not an image file",
    }


def directories(ground: Ground) -> dict[str, str]:
    """Return hostile external directories, and what their refusal says."""
    return {
        str(ground.victim): "is not open to tasks",
        f"{ground.open_}/link": f"it leads to {ground.victim}",
        f"{ground.open_}/../victim": "'..'",
        f"{ground.open_}:/mnt": "':'",
        "/": "own file system",
        "/proc/self/cwd": "keeps for itself",
        "/etc": "is not open to tasks",
    }


async def image_refused(directory: Path, platform: dict[str, Any], image: str, rule: str) -> None:
    """See what chooses a runtime refuse `image` by `rule`."""
    needed = {"EWMS_PILOT_QUEUE_INCOMING": "a", "EWMS_PILOT_QUEUE_INCOMING_BROKER_ADDRESS": "h"}
    variables = {**needed, **platform["variables"], "EWMS_PILOT_TASK_IMAGE": image}

    async def choose() -> None:
        told = read_settings(variables, directory=str(directory))
        kept = find_places(told, "")
        await choose_runtime(told, image, TaskProcesses(), platform["environment"], places=kept)

    with pytest.raises(Rejected) as seen:
        await choose()
    assert rule in seen.value.reason, image
    assert ";" in seen.value.reason
    assert CANARY not in seen.value.reason


async def pilot_refused(workflow: Field, platform: dict[str, Any], rule: str, **changes: str) -> None:
    """Run a pilot and see it refuse by `rule`, in its log and to whoever watches, before its first event."""
    source = await workflow.queue()
    variables = {**platform["variables"], **changes}
    pilot = await workflow.pilot(variables, inputs=[source], environment=platform["environment"])
    assert await pilot.ended(120) in (1, 2), (changes, pilot.log)
    assert rule in pilot.log, (changes, pilot.log)
    assert any(rule in line for line in pilot.said if "Error:" in line), pilot.said
    assert "Tasking" not in pilot.statuses()
    assert CANARY not in pilot.log


@pytest.mark.parametrize("platform", ["apptainer", "bubblewrap"], indirect=True)
async def test_no_place_of_the_worker_becomes_an_image(
    ground: Ground, platform: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    (job := ground.root / "job").mkdir()
    monkeypatch.chdir(job)
    hostile = images(ground)
    if platform["variables"]["_EWMS_PILOT_CONTAINER_PLATFORM"] == "apptainer":
        hostile |= {
            f"docker-archive:{ground.root}/x.tar": "is neither an image file nor an address",
            f"localimage:{ground.root}/evil.def": "is neither an image file nor an address",
        }
    for image, rule in hostile.items():
        await image_refused(job, platform, image, rule)
    assert not (ground.root / "escaped").exists(), "a definition file has run on the worker"


@pytest.mark.parametrize("platform", ["docker", "podman"], indirect=True)
async def test_an_engine_gets_names_of_images_only(ground: Ground, platform: dict[str, Any]) -> None:
    hostile = {
        "/": "own file system",
        str(ground.victim): "not the name of an image",
        f"dir:{ground.victim}": "not the name of an image",
        f"oci-archive:{ground.root}/x.tar": "not the name of an image",
        "--privileged": "'-'",
        "reco --volume=/:/host": "not the name of an image",
    }
    for image, rule in hostile.items():
        await image_refused(ground.root, platform, image, rule)
    platform["variables"]["_EWMS_PILOT_DOCKER_SHM_SIZE"] = "1g --privileged"
    await image_refused(ground.root, platform, "reco", "must be a size")
    assert not (ground.root / "bin/calls").exists()


@pytest.mark.parametrize("platform", ["apptainer"], indirect=True)
def test_no_place_of_the_worker_is_shown_that_is_not_open(ground: Ground, platform: dict[str, Any]) -> None:
    needed = {"EWMS_PILOT_QUEUE_INCOMING": "a", "EWMS_PILOT_QUEUE_INCOMING_BROKER_ADDRESS": "h"}
    told = read_settings(
        {**needed, **platform["variables"], "EWMS_PILOT_TASK_IMAGE": str(ground.image)}, directory=str(ground.root)
    )
    for path, rule in directories(ground).items():
        seen = look_at(path, inside=False)
        with pytest.raises(MountRefused) as refused:
            external_mounts([path], {path: seen[0]} if seen else {}, find_places(told, ""))
        assert rule in refused.value.reason


@pytest.mark.parametrize("platform", ["apptainer", "bubblewrap", "docker"], indirect=True)
async def test_a_pilot_ends_with_the_rule_and_the_remedy(
    workflow: Field, ground: Ground, platform: dict[str, Any]
) -> None:
    is_docker = platform["variables"]["_EWMS_PILOT_CONTAINER_PLATFORM"] == "docker"
    good = "registry/reco:2.0" if is_docker else str(ground.image)
    # The pilot's own directory, with its token.
    bad, rule = ("dir:/etc", "not the name of an image") if is_docker else (".", "the pilot's own files")
    link = f"{ground.open_}/link"
    await asyncio.gather(
        pilot_refused(workflow, platform, rule, EWMS_PILOT_TASK_IMAGE=good, EWMS_PILOT_INIT_IMAGE=bad),
        pilot_refused(workflow, platform, "leads to", EWMS_PILOT_TASK_IMAGE=good, EWMS_PILOT_EXTERNAL_DIRECTORIES=link),
    )


@pytest.mark.parametrize("platform", ["apptainer", "bubblewrap"], indirect=True)
async def test_a_running_task_sees_nothing_that_a_pilot_or_another_task_keeps(
    workflow: Field, ground: Ground, platform: dict[str, Any]
) -> None:
    source, sink = await workflow.queue(), await workflow.queue()
    await workflow.put(source, b"x")
    (ground.root / "preload.so").write_text("no library")
    looks = (
        "cat /proc/*/environ; cat /proc/*/cmdline; cat /proc/1/root/*/key.pem; ls /tmp /var/tmp /run /home /root; "
        f"cat {ground.secrets}/key.pem {ground.victim}/key.pem /mnt/key.pem {workflow.directory}/*/ewms_pilot_token; "
        "echo; echo LEVEL=$LEVEL"
    )
    hostile = {
        "APPTAINER_BIND": f"{ground.victim}:/mnt",
        "SINGULARITY_BIND": f"{ground.victim}:/mnt",
        "APPTAINERENV_LEVEL": "outer",
        "LD_PRELOAD": f"{ground.root}/preload.so",
        "DOCKER_HOST": "tcp://192.0.2.1",
        "LEVEL": "inner",
    }
    pilot = await workflow.pilot(
        {
            **platform["variables"],
            "EWMS_PILOT_TASK_IMAGE": ground.image,
            "EWMS_PILOT_TASK_ARGS": f"sh -c '({looks}) > $EWMS_TASK_OUTFILE 2>/dev/null'",
            "EWMS_PILOT_TASK_ENV_JSON": json.dumps(hostile),
            "EWMS_PILOT_SECRET": CANARY,
        },
        inputs=[source],
        outputs=[sink],
        environment={**platform["environment"], "SITE_SECRET": CANARY, "APPTAINER_BIND": f"{ground.victim}:/mnt"},
    )
    (output,) = await workflow.take(sink, 1)
    text = output.body.decode(errors="replace")
    assert "LEVEL=inner" in text
    assert CANARY not in text
    assert "EWMS_PILOT" not in text
    assert "ewms_pilot_token" not in text.replace(looks, "")
    assert await pilot.ended() == 0, pilot.log


async def test_an_image_file_is_looked_into_without_giving_it_the_worker(
    workflow: Field, ground: Ground, installed: Installed
) -> None:
    """An image brings scripts that apptainer runs before anything else; these look for what is around them."""
    source, sink = await workflow.queue(), await workflow.queue()
    await workflow.put(source, b"x")
    apptainer = UnpackedApptainer(installed.containers)
    sandbox = apptainer.build_with_files(ground.image, ground.root / "sandbox")
    scripts = sandbox / ".singularity.d/env"
    scripts.mkdir(parents=True, exist_ok=True)
    (scripts / "99-look.sh").write_text(f"echo seen > {ground.root}/escaped\n")
    image = apptainer.build_with_files(sandbox, ground.root / "image.sif")
    pilot = await workflow.pilot(
        {
            "_EWMS_PILOT_CONTAINER_PLATFORM": "apptainer",
            "EWMS_PILOT_APPTAINER": apptainer.program,
            "EWMS_PILOT_TASK_IMAGE": image,
            "EWMS_PILOT_TASK_ARGS": "cp {{INFILE}} {{OUTFILE}}",
        },
        inputs=[source],
        outputs=[sink],
        prefix=AS_A_JOB,
    )
    assert await pilot.ended() == 0, pilot.log
    assert len(await workflow.take(sink, 1)) == 1
    assert not (ground.root / "escaped").exists()
