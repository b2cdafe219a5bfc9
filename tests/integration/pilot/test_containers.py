"""Tasks in real containers: the image's own files, the pilot's mounts, and nothing else."""

import json
import os
import shlex
import signal
import sys
import time
from pathlib import Path

import pytest

from deploy.local.fetch.cache import Installed
from deploy.local.fetch.images import UnpackedApptainer, make_busybox_image
from schemas.pilot.outcome_reading import outcome_from_bytes, piece_from_bytes
from schemas.pilot.outcomes import TaskStream
from schemas.rules.limits import MAX_STRING_BYTES
from tests.integration.pilot.field import Field
from tests.integration.pilot.test_ends import alive
from tests.unit.schemas.rules.test_limits import largest_program
from tests.waiting import eventually

CP = "cp {{INFILE}} {{OUTFILE}}"

#: Apptainer cannot open an image file for a root user that has no namespace of its own, as jobs have.
AS_A_JOB = ["unshare", "--user", "--map-user=1", "--map-group=1", "--"] if os.geteuid() == 0 else []


@pytest.fixture
def forks_pilots() -> bool:
    """Each pilot is a start of `python`: these tests look at what a container sees of the pilot."""
    return False


@pytest.fixture(scope="module")
def image(installed: Installed, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a shell in it."""
    return make_busybox_image(installed.python_image, tmp_path_factory.mktemp("image") / "busybox")


@pytest.fixture
def apptainer(installed: Installed) -> dict[str, str]:
    """The variables that make a pilot use the real apptainer."""
    return {
        "_EWMS_PILOT_CONTAINER_PLATFORM": "apptainer",
        "EWMS_PILOT_APPTAINER": str(UnpackedApptainer(installed.containers).program),
    }


async def test_a_task_runs_in_a_sandbox_folder(workflow: Field, apptainer: dict[str, str], image: Path) -> None:
    source, sink = await workflow.queue(), await workflow.queue()
    await workflow.put(source, b"one", b"two", b"three")
    pilot = await workflow.pilot(
        {**apptainer, "EWMS_PILOT_TASK_IMAGE": image, "EWMS_PILOT_TASK_ARGS": CP}, inputs=[source], outputs=[sink]
    )
    assert {message.body for message in await workflow.take(sink, 3)} == {b"one", b"two", b"three"}
    assert await pilot.ended() == 0, pilot.log


@pytest.mark.parametrize("platform", ["apptainer", "none"])
async def test_the_largest_program_that_a_request_may_have_runs(
    workflow: Field, apptainer: dict[str, str], image: Path, platform: str
) -> None:
    arguments, environment = largest_program()
    source, sink = await workflow.queue(), await workflow.queue()
    await workflow.put(source, b"x")
    task = {
        **apptainer,
        "_EWMS_PILOT_CONTAINER_PLATFORM": platform,
        "EWMS_PILOT_TASK_IMAGE": image,
        "EWMS_PILOT_TASK_ARGS": arguments,
        "EWMS_PILOT_TASK_ENV_JSON": json.dumps(environment),
    }
    pilot = await workflow.pilot(task, inputs=[source], outputs=[sink])
    (output,) = await workflow.take(sink, 1)
    assert await pilot.ended() == 0, pilot.log
    argument, variable, together = map(int, output.body.split())
    # A shell counts characters or bytes, by its locale.
    assert argument in (arguments.count("é"), 2 * arguments.count("é"))
    assert variable == MAX_STRING_BYTES - 2
    assert together > sum(len(value) for value in environment.values())


@pytest.mark.parametrize("name", ["sandbox", "file.sif"])
async def test_a_task_runs_in_an_image_that_apptainer_has_built(
    workflow: Field, apptainer: dict[str, str], image: Path, installed: Installed, tmp_path: Path, name: str
) -> None:
    source, sink = await workflow.queue(), await workflow.queue()
    built = UnpackedApptainer(installed.containers).build_with_files(image, tmp_path / name)
    await workflow.put(source, b"x")
    variables = {**apptainer, "EWMS_PILOT_TASK_IMAGE": built, "EWMS_PILOT_TASK_ARGS": CP}
    pilot = await workflow.pilot(variables, inputs=[source], outputs=[sink], prefix=AS_A_JOB)
    assert await pilot.ended() == 0, pilot.log
    (output,) = await workflow.take(sink, 1)
    assert output.body == b"x"


async def test_a_container_sees_its_files_its_variables_and_its_mounts_only(
    workflow: Field, apptainer: dict[str, str], image: Path, tmp_path: Path
) -> None:
    source, sink = await workflow.queue(), await workflow.queue()
    await workflow.put(source, b"x")
    external = tmp_path / "external"
    external.mkdir()
    (external / "geo").write_text("round")
    script = (
        f"(env; echo ---; cat {external}/geo; echo; touch {external}/new || echo READ-ONLY; "
        f"ls {workflow.directory} /root; ls /proc | grep -c ^[0-9]) > $EWMS_TASK_OUTFILE 2>/dev/null"
    )
    pilot = await workflow.pilot(
        {
            **apptainer,
            "EWMS_PILOT_TASK_IMAGE": image,
            "EWMS_PILOT_TASK_ARGS": f"sh -c '{script}'",
            "EWMS_PILOT_TASK_ENV_JSON": json.dumps({"LIST": "a,b", "SHELLISH": "$HOME `id`"}),
            "EWMS_PILOT_EXTERNAL_DIRECTORIES": external,
            "EWMS_PILOT_EXTERNAL_ROOTS": tmp_path,
        },
        inputs=[source],
        outputs=[sink],
        environment={"CANARY": "canary", "APPTAINERENV_CANARY": "canary", "APPTAINER_BIND": "/etc:/host-etc"},
    )
    (output,) = await workflow.take(sink, 1)
    text = output.body.decode()
    assert "LIST=a,b" in text
    assert "SHELLISH=$HOME `id`" in text
    assert "EWMS_TASK_INFILE=/ewms-pilot-data/task-io/infile-" in text
    assert "EWMS_TASK_DATA_HUB_DIR=/ewms-pilot-data/data-hub" in text
    assert "canary" not in text
    assert "EWMS_PILOT" not in text
    assert "round" in text
    assert "READ-ONLY" in text
    assert "job-1" not in text
    assert ".cache" not in text
    assert int(text.split()[-1]) < 10, "the container sees the worker's processes"
    assert await pilot.ended() == 0


async def test_a_timeout_ends_the_whole_container(
    workflow: Field, apptainer: dict[str, str], image: Path, tmp_path: Path
) -> None:
    source = await workflow.queue()
    await workflow.put(source, b"x")
    marker = f"31{time.time_ns() % 1_000_000:06d}"
    pilot = await workflow.pilot(
        {
            **apptainer,
            "EWMS_PILOT_TASK_IMAGE": image,
            "EWMS_PILOT_TASK_ARGS": f"sh -c '(sleep {marker} &); sleep {marker}'",
            "EWMS_PILOT_TASK_TIMEOUT": 2,
            "EWMS_PILOT_STOP_LISTENING_ON_TASK_ERROR": "True",
        },
        inputs=[source],
    )
    sleeping = await sleepers(marker)
    assert await pilot.ended() == 1
    assert not [pid for pid in sleeping if alive(pid)]
    assert any("timed out after 2s" in line for line in pilot.said)


async def test_sigterm_in_a_container_leaves_nothing(workflow: Field, apptainer: dict[str, str], image: Path) -> None:
    source = await workflow.queue()
    await workflow.put(source, b"x")
    marker = f"32{time.time_ns() % 1_000_000:06d}"
    variables = {**apptainer, "EWMS_PILOT_TASK_IMAGE": image, "EWMS_PILOT_DRAIN_GRACE": 0.5}
    pilot = await workflow.pilot({**variables, "EWMS_PILOT_TASK_ARGS": f"sleep {marker}"}, inputs=[source])
    sleeping = await sleepers(marker)
    pilot.signal(signal.SIGTERM)
    assert await pilot.ended() == 0
    assert not [pid for pid in sleeping if alive(pid)]
    assert await workflow.depth(source) == 1


async def test_the_error_of_a_failing_container_is_its_own_not_apptainers(
    workflow: Field, apptainer: dict[str, str], image: Path
) -> None:
    source = await workflow.queue()
    await workflow.put(source, b"x")
    variables = {**apptainer, "EWMS_PILOT_TASK_IMAGE": image, "EWMS_PILOT_STOP_LISTENING_ON_TASK_ERROR": "True"}
    pilot = await workflow.pilot({**variables, "EWMS_PILOT_TASK_ARGS": "cat /no/such/file"}, inputs=[source])
    assert await pilot.ended() == 1
    assert any("exit code 1): cat: can't open '/no/such/file'" in line for line in pilot.said), pilot.said


async def test_an_image_that_is_not_there_is_named_with_the_remedy(workflow: Field, apptainer: dict[str, str]) -> None:
    source = await workflow.queue()
    variables = {**apptainer, "EWMS_PILOT_TASK_IMAGE": "/no/such/image", "EWMS_PILOT_TASK_ARGS": CP}
    pilot = await workflow.pilot(variables, inputs=[source])
    assert await pilot.ended() == 1
    assert "_EWMS_PILOT_APPTAINER_IMAGE_DIRECTORY_MUST_BE_PRESENT=False" in pilot.log


async def test_an_image_that_may_be_built_is_built_once_and_used(
    workflow: Field, apptainer: dict[str, str], image: Path, installed: Installed, tmp_path: Path
) -> None:
    source, sink = await workflow.queue(), await workflow.queue()
    packed = (
        UnpackedApptainer(installed.containers)
        .build_with_files(image, tmp_path / "packed.sif")
        .rename(tmp_path / "packed.img")
    )
    builds = tmp_path / "builds"
    builds.mkdir()
    variables = {
        **apptainer,
        "EWMS_PILOT_TASK_IMAGE": packed,
        "EWMS_PILOT_TASK_ARGS": CP,
        "_EWMS_PILOT_APPTAINER_BUILD_WORKDIR": builds,
        "_EWMS_PILOT_APPTAINER_IMAGE_DIRECTORY_MUST_BE_PRESENT": "False",
    }
    for _ in range(2):
        await workflow.put(source, b"x")
        pilot = await workflow.pilot(variables, inputs=[source], outputs=[sink], prefix=AS_A_JOB)
        assert await pilot.ended() == 0, pilot.log
    assert len(await workflow.take(sink, 2)) == 2
    assert len(list(builds.iterdir())) == 1


async def test_a_task_runs_under_bubblewrap(workflow: Field, image: Path, installed: Installed) -> None:
    source, sink = await workflow.queue(), await workflow.queue()
    await workflow.put(source, b"x")
    variables = {
        "_EWMS_PILOT_CONTAINER_PLATFORM": "bubblewrap",
        "EWMS_PILOT_TASK_IMAGE": image,
        "EWMS_PILOT_TASK_ARGS": CP,
    }
    path = {"PATH": f"{installed.containers / 'usr/bin'}:/usr/bin:/bin"}
    pilot = await workflow.pilot(variables, inputs=[source], outputs=[sink], environment=path)
    assert await pilot.ended() == 0, pilot.log
    (output,) = await workflow.take(sink, 1)
    assert output.body == b"x"


async def sleepers(marker: str) -> list[int]:
    """Return the processes that sleep for `marker` seconds, as soon as there are any."""
    found: list[int] = await eventually(lambda: found_sleepers(marker))
    return found


def found_sleepers(marker: str) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if words[0].endswith(b"sleep") and marker.encode() in words:
            found.append(int(path.parent.name))
    return found


#: Stands in for docker where there is no daemon: it knows one image after it was pulled, and runs its arguments on the
#: worker with the mounts' places exchanged. It shows that the pilot speaks docker's language, not that docker works.
FAKE_DOCKER = """#!{python}
import os, subprocess, sys
home, words = os.path.dirname(__file__), sys.argv[1:]
with open(home + "/calls", "a") as calls:
    print(*words, file=calls)
if words[:2] == ["image", "inspect"]:
    sys.exit(0 if os.path.exists(home + "/pulled") else 1)
if words[0] == "pull":
    open(home + "/pulled", "w").close()
    sys.exit(0)
if words[0] == "rm":
    sys.exit(subprocess.call(["kill", "-9", open(f"{{home}}/{{words[2]}}").read()]))
mounts, environment, options = {{}}, {{"PATH": "/bin:/usr/bin"}}, words[1:]
while options[0].startswith("-"):
    option = options.pop(0)
    if option == "--mount":
        spec = dict(part.split("=") for part in options.pop(0).split(",") if "=" in part)
        mounts[spec["target"]] = spec["source"]
    elif option == "--env":
        key, _, value = options.pop(0).partition("=")
        environment[key] = value
    elif option == "--name":
        name = options.pop(0)
assert options.pop(0) == "registry/reco:2.0"
for target, source in mounts.items():
    options = [word.replace(target, source) for word in options]
child = subprocess.Popen(options, env=environment, start_new_session=True)
with open(f"{{home}}/{{name}}", "w") as file:
    file.write(str(child.pid))
sys.exit(child.wait())
"""


@pytest.mark.parametrize("engine", ["docker", "podman"])
async def test_docker_pulls_what_is_missing_runs_it_and_ends_it_by_name(
    workflow: Field, tmp_path: Path, engine: str
) -> None:
    source, sink = await workflow.queue(), await workflow.queue()
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / engine
    program.write_text(FAKE_DOCKER.format(python=sys.executable))
    program.chmod(0o755)
    variables = {
        "_EWMS_PILOT_CONTAINER_PLATFORM": engine,
        "EWMS_PILOT_TASK_IMAGE": "registry/reco:2.0",
        "EWMS_PILOT_TASK_ENV_JSON": json.dumps({"SEED": "7"}),
    }
    environment = {"PATH": f"{tmp_path}/bin:{os.environ['PATH']}"}
    await workflow.put(source, b"x")
    task = {**variables, "EWMS_PILOT_TASK_ARGS": CP}
    pilot = await workflow.pilot(task, inputs=[source], outputs=[sink], environment=environment)
    assert await pilot.ended() == 0, pilot.log
    (output,) = await workflow.take(sink, 1)
    assert output.body == b"x"
    calls = [line.split()[0] for line in (tmp_path / "bin/calls").read_text().splitlines()]
    assert calls == ["image", "pull", "run"]

    await workflow.put(source, b"x")
    stuck = {**variables, "EWMS_PILOT_TASK_ARGS": "sleep 300", "EWMS_PILOT_TASK_TIMEOUT": 1}
    stuck["EWMS_PILOT_STOP_LISTENING_ON_TASK_ERROR"] = "True"
    pilot = await workflow.pilot(stuck, inputs=[source], outputs=[sink], environment=environment)
    assert await pilot.ended() == 1
    last = (tmp_path / "bin/calls").read_text().splitlines()[-1].split()
    assert last[:2] == ["rm", "--force"]
    assert not alive(int((tmp_path / "bin" / last[2]).read_text()))


async def test_c33_a_container_gets_payload_and_secrets_and_only_reads_them(
    workflow: Field, apptainer: dict[str, str], image: Path
) -> None:
    """R4, C22, C32 and C33 in a real container: argument, secret file, and log."""
    source, outcomes, logs = await workflow.queue(), await workflow.queue(), await workflow.queue()
    payload = json.dumps({"host": "web '07'", "text": "{{INFILE}} $HOME"})
    await workflow.put(source, payload.encode())
    script = (
        'cp "$EWMS_TASK_SECRETS_DIR/db-password" {{OUTFILE}}; printf %s "$0"; echo "$EWMS_TASK_SECRETS_DIR" >&2; '
        'rm "$EWMS_TASK_SECRETS_DIR/db-password"; echo x > "$EWMS_TASK_SECRETS_DIR/new"; '
        'echo "no login with $(cat "$EWMS_TASK_SECRETS_DIR/db-password")" >&2; exit 7'
    )
    task = {
        **apptainer,
        "EWMS_PILOT_TASK_IMAGE": image,
        "EWMS_PILOT_TASK_ARGS": f"sh -c {shlex.quote(script)}",
        "EWMS_PILOT_QUEUE_OUTGOING_ALIAS": "outcomes;logs",
        "EWMS_PILOT_OUTCOMES_TO": "outcomes",
        "EWMS_PILOT_LOGS_TO": "logs",
        "EWMS_PILOT_PAYLOAD_ARGUMENT": "True",
        "EWMS_PILOT_SECRETS": "db-password",
    }
    secrets = json.dumps({"db-password": "S3cret"})
    pilot = await workflow.pilot(task, inputs=[source], outputs=[outcomes, logs], secrets=secrets)
    (message,) = await workflow.take(outcomes, 1)
    outcome = outcome_from_bytes(message.body)
    assert (outcome.exit_status, outcome.output) == (7, "***"), outcome
    assert "no login with ***" in outcome.error, outcome
    n_pieces = outcome.stdout.n_pieces + outcome.stderr.n_pieces
    pieces = [piece_from_bytes(message.body) for message in await workflow.take(logs, n_pieces)]
    assert "".join(piece.text for piece in pieces if piece.stream is TaskStream.STDOUT) == payload
    stderr = "".join(piece.text for piece in pieces if piece.stream is TaskStream.STDERR)
    assert stderr.startswith("/ewms-pilot-data/secrets\n")
    assert stderr.lower().count("read-only file system") == 2, "the task could change its secrets"
    assert await pilot.ended() == 0, pilot.log
    everything = (pilot.log, "".join(pilot.said), message.body.decode(), stderr)
    assert ["S3cret" in each for each in everything] == [False] * 4
