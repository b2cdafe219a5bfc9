"""Tasks in a real podman, where this machine has one that can run a container; `PODMAN` names another than PATH's.

What stands around podman is the tests' own (storage, configuration), so that a machine's images stay as they are.
"""

import functools
import json
import os
import shlex
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from deploy.local.fetch.cache import Installed
from deploy.local.fetch.images import make_busybox_image
from tests.integration.pilot.field import Field
from tests.integration.pilot.test_containers import CP, sleepers
from tests.integration.pilot.test_ends import gone
from tests.waiting import eventually

IMAGE = "localhost/ewms-test:1"

#: Ways of running a container, best first. crun goes without cgroups, which no plain user of a container may make;
#: runc has to have them. Neither is given a network of its own, which would need the right to make one.
WAYS = (
    ("crun", "disabled"),
    ("runc", "enabled"),
)


@pytest.fixture
def forks_pilots() -> bool:
    """Each pilot is a start of `python`: these tests look at what a container sees of the pilot."""
    return False


@dataclass(frozen=True, slots=True)
class Podman:
    """A podman that runs containers here: what a pilot's environment must hold."""

    environment: dict[str, str]

    def listed(self) -> list[str]:
        """Return the names of all its containers, those that have ended too."""
        words = ["podman", "ps", "--all", "--format", "{{.Names}}"]
        return subprocess.run(words, env=self.environment, capture_output=True, text=True, check=True).stdout.split()


@pytest.fixture(scope="module")
def podman(installed: Installed) -> Iterator[Podman]:
    """Podman with the image in a storage of its own."""
    program = os.environ.get("PODMAN") or shutil.which("podman")
    if program is None:
        pytest.skip("there is no podman on this machine: install it, or let PODMAN name one")
    # Podman's sockets have paths too, of 108 bytes at most.
    with tempfile.TemporaryDirectory(prefix="p", ignore_cleanup_errors=True) as directory:
        home = Path(directory)
        image = make_busybox_image(installed.python_image, home / "image")
        refusals = []
        for runtime, cgroups in WAYS:
            environment = _configured(home / runtime, program, runtime, cgroups)
            if not (refusal := _refusal(image, environment)):
                yield Podman(environment)
                return
            refusals.append(f"{runtime}: {refusal}")
        pytest.skip(f"{program} runs no container here: {'; '.join(refusals)}")


def _configured(home: Path, program: str, runtime: str, cgroups: str) -> dict[str, str]:
    """Write what a `podman` of the tests' own needs into `home`; return the environment that leads to it."""
    (settings := home / ".config/containers").mkdir(parents=True)
    (settings / "policy.json").write_text(json.dumps({"default": [{"type": "insecureAcceptAnything"}]}))
    beside = Path(program).parent
    tools = f"{beside}:{beside.parent / 'sbin'}:{os.environ['PATH']}:/usr/sbin:/sbin"
    programs = {name: shutil.which(name, path=tools) or name for name in ("conmon", runtime)}
    places = (beside, beside.parent / "libexec/podman", beside.parent / "lib/podman")
    helpers = (*places, Path("/usr/libexec/podman"), Path("/usr/lib/podman"))
    (home / "containers.conf").write_text(f"""\
[containers]
cgroups = "{cgroups}"
netns = "host"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "none"
runtime = "{runtime}"
conmon_path = ["{programs["conmon"]}"]
helper_binaries_dir = [{", ".join(json.dumps(str(place)) for place in helpers)}]
[engine.runtimes]
{runtime} = ["{programs[runtime]}"]
""")
    (home / "bin").mkdir()
    (home / "run").mkdir(mode=0o700)
    wrapper = home / "bin/podman"
    own = shlex.join(["--root", f"{home}/storage", "--runroot", f"{home}/run/storage", "--storage-driver", "vfs"])
    # Podman 5 says on every call that it will not know the first kind of cgroups for ever.
    wrapper.write_text(f'#!/bin/sh\nexport PODMAN_IGNORE_CGROUPSV1_WARNING=1\nexec {shlex.quote(program)} {own} "$@"\n')
    wrapper.chmod(0o755)
    return {
        "PATH": f"{home}/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": str(home),
        "XDG_RUNTIME_DIR": str(home / "run"),
        "CONTAINERS_CONF": str(home / "containers.conf"),
    }


def _refusal(image: Path, environment: dict[str, str]) -> str:
    """Return why podman cannot run a container of the image that it makes from the folder `image`; empty if it can."""
    run = functools.partial(
        subprocess.run, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    packed = image.with_suffix(".tar")
    subprocess.run(["tar", "-C", image, "-cf", packed, "."], check=True)
    made = run(["podman", "import", packed, IMAGE])
    done = made if made.returncode else run(["podman", "run", "--rm", "--init", IMAGE, "true"])
    return done.stderr.strip()[-300:] or f"exit status {done.returncode}" if done.returncode else ""


def _task(arguments: str, **variables: object) -> dict[str, object]:
    return {
        "_EWMS_PILOT_CONTAINER_PLATFORM": "podman",
        "EWMS_PILOT_TASK_IMAGE": IMAGE,
        "EWMS_PILOT_TASK_ARGS": arguments,
        **variables,
    }


async def test_an_event_goes_through_a_container_and_comes_out(workflow: Field, podman: Podman) -> None:
    source, sink = await workflow.queue(), await workflow.queue()
    await workflow.put(source, b"one", b"two")
    pilot = await workflow.pilot(_task(CP), inputs=[source], outputs=[sink], environment=podman.environment)
    assert {message.body for message in await workflow.take(sink, 2)} == {b"one", b"two"}
    assert await pilot.ended() == 0, pilot.log
    assert podman.listed() == []


async def test_a_container_sees_its_task_and_nothing_of_the_pilot(workflow: Field, podman: Podman) -> None:
    source, sink = await workflow.queue(), await workflow.queue()
    await workflow.put(source, b"x")
    look = f'env; ls -d {workflow.directory}; busybox find / -xdev -name "*token*"'
    script = f"({look}) > $EWMS_TASK_OUTFILE 2>&1"
    pilot = await workflow.pilot(
        _task(
            f"sh -c {shlex.quote(script)}",
            EWMS_PILOT_TASK_ENV_JSON=json.dumps({"LIST": "a,b", "SHELLISH": "$HOME `id`"}),
        ),
        inputs=[source],
        outputs=[sink],
        environment={**podman.environment, "CANARY": "canary"},
    )
    text = (await workflow.take(sink, 1))[0].body.decode()
    assert "LIST=a,b" in text
    assert "SHELLISH=$HOME `id`" in text
    assert "EWMS_TASK_INFILE=/ewms-pilot-data/task-io/infile-" in text
    assert "canary" not in text
    assert "EWMS_PILOT" not in text
    assert "ewms_pilot_token" not in text
    assert f"{workflow.directory}: No such file" in text
    assert await pilot.ended() == 0, pilot.log


async def test_a_timeout_ends_everything_in_the_container_and_the_container(workflow: Field, podman: Podman) -> None:
    source = await workflow.queue()
    await workflow.put(source, b"x")
    marker = f"34{time.time_ns() % 1_000_000:06d}"
    task = _task(
        f"sh -c '(setsid sleep {marker} &); sleep {marker}'",
        EWMS_PILOT_TASK_TIMEOUT=3,
        EWMS_PILOT_STOP_LISTENING_ON_TASK_ERROR="True",
    )
    pilot = await workflow.pilot(task, inputs=[source], environment=podman.environment)
    sleeping = await _sleepers(marker, 2)
    assert await pilot.ended() == 1, pilot.log
    assert any("timed out after 3s" in line for line in pilot.said), pilot.said
    assert await gone(sleeping)
    assert podman.listed() == []


async def test_a_pilot_that_is_asked_to_leave_leaves_no_container(workflow: Field, podman: Podman) -> None:
    source = await workflow.queue()
    await workflow.put(source, b"x")
    marker = f"35{time.time_ns() % 1_000_000:06d}"
    task = _task(f"sleep {marker}", EWMS_PILOT_DRAIN_GRACE=0.5)
    pilot = await workflow.pilot(task, inputs=[source], environment=podman.environment)
    sleeping = await _sleepers(marker, 1)
    pilot.signal(signal.SIGTERM)
    assert await pilot.ended() == 0, pilot.log
    assert await gone(sleeping)
    assert podman.listed() == []
    assert await workflow.depth(source) == 1


async def _sleepers(marker: str, n: int) -> list[int]:
    """Return the processes that sleep for `marker` seconds, as soon as there are `n`."""
    found: list[int] = await eventually(lambda: sleepers(marker), lambda pids: len(pids) >= n)
    return found
