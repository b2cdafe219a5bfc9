"""Tasks become images: from a directory and from git, built by real buildah, run by real apptainer."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from processes.builds.build_errors import BuildFailed, LocationsLackImage
from processes.builds.workshop import Workshop
from schemas.automation.builds import BuildOrder, BuiltImage, SyncedImage
from tests.integration.processes.builds.conftest import GitServer, TaskFiles

PYTHON_TASK = """\
FROM ewms/python
ENV GREETING="hello there"
COPY . /craton
RUN python3 -c 'print(2 * 21)' > /craton/answer && chown 33:33 /craton/answer
"""
SCRIPT = """\
import json, os, sys
print(os.environ["GREETING"], open("/craton/answer").read().strip(), json.loads(sys.argv[1]))
"""


def build(workshop: Workshop, order: BuildOrder) -> tuple[BuiltImage, dict[str, SyncedImage]]:
    """Build an order as the step list does it."""
    workshop.fetch_code(order, "")
    image = workshop.build_image(order, "")
    synced = workshop.sync_image(order, "", image)
    workshop.remove_build(order)
    return image, synced


def run_task(workshop: Workshop, image: str, *command: str) -> str:
    """Run a command in an image as a pilot does."""
    containers = workshop.programs.containers
    done = subprocess.run(
        [
            str(containers / "usr/bin/apptainer"),
            "--quiet",
            "exec",
            "--userns",
            "--containall",
            "--no-home",
            image,
            *command,
        ],
        env={**os.environ, "PATH": f"{containers}/usr/bin:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_c13_c14_c15_a_directory_becomes_an_image_that_runs(
    workshop: Workshop, task: TaskFiles, tmp_path: Path
) -> None:
    task.write(PYTHON_TASK, task_py=SCRIPT)
    image, synced = build(workshop, task.order(workshop))
    assert synced["north"] == SyncedImage(
        digest=image.digest, image=str(tmp_path / "north" / image.digest.replace(":", "-"))
    )
    printed = run_task(workshop, synced["north"].image, "python3", "/craton/task.py", json.dumps({"host": "a b"}))
    assert printed == "hello there 42 {'host': 'a b'}\n"
    assert [one.name for one in (tmp_path / "north").iterdir()] == [image.digest.replace(":", "-")]
    assert not list((workshop.settings.build_directory / "builds").iterdir())


def test_c13_a_git_repository_becomes_an_image_at_the_approved_commit(
    git_workshop: Workshop, git_server: GitServer
) -> None:
    dockerfile = "FROM ewms/python\nCOPY . /craton\n"
    approved = git_server.commit(one__Dockerfile=dockerfile, one__version="first\n")
    order = BuildOrder(build="g1", task=1, version=1, source=git_server.source("main", "one"), locations=("north",))
    found = git_workshop.find_commit(order, "")
    assert found.commit == approved
    assert found.subject == "Add one__Dockerfile, one__version"
    assert found.author == "ada@example.org <ada@example.org>"
    git_server.commit(one__version="second\n")
    image, synced = build(git_workshop, order.model_copy(update={"commit": approved}))
    assert run_task(git_workshop, synced["north"].image, "cat", "/craton/version") == "first\n"
    assert image.size_bytes > 1_000_000


def test_a_commit_that_the_repository_lost_is_a_failure_with_the_reason(
    git_workshop: Workshop, git_server: GitServer
) -> None:
    git_server.commit(Dockerfile="FROM ewms/python\n")
    order = BuildOrder(build="g2", task=1, version=1, source=git_server.source(), commit="1" * 40)
    with pytest.raises(BuildFailed):
        git_workshop.fetch_code(order, "")


def test_a_directory_that_changed_since_its_approval_is_not_built(workshop: Workshop, task: TaskFiles) -> None:
    task.write("FROM ewms/python\n", task_py="print(1)")
    order = task.order(workshop)
    task.write("FROM ewms/python\n", task_py="print(2)")
    with pytest.raises(BuildFailed, match="the directory has changed since its approval: rebuild the task"):
        workshop.fetch_code(order, "")


def test_c14_a_task_without_a_dockerfile_fails_with_the_reason(workshop: Workshop, task: TaskFiles) -> None:
    (task.directory / "task.py").write_text("print(1)")
    with pytest.raises(BuildFailed, match="has no Dockerfile; add a plain file of this name"):
        task.order(workshop)


def test_a_location_that_is_away_gets_the_image_later(workshop: Workshop, task: TaskFiles, tmp_path: Path) -> None:
    task.write("FROM scratch\nCOPY . /craton\n")
    order = task.order(workshop)
    workshop.fetch_code(order, "")
    image = workshop.build_image(order, "")
    (tmp_path / "north").rmdir()
    with pytest.raises(LocationsLackImage, match=r"location 'north': the directory .*/north is not there"):
        workshop.sync_image(order, "", image)
    (tmp_path / "north").mkdir()
    synced = workshop.sync_image(order, "", image)
    assert (Path(synced["north"].image) / "craton/Dockerfile").read_text() == "FROM scratch\nCOPY . /craton\n"
    workshop.remove_build(order)


def test_a_damaged_image_at_a_location_is_replaced(workshop: Workshop, task: TaskFiles) -> None:
    task.write("FROM scratch\nCOPY . /craton\n")
    order = task.order(workshop)
    image = workshop.build_image(order, "")
    placed = Path(workshop.sync_image(order, "", image)["north"].image) / "craton/Dockerfile"
    placed.write_text("FROM elsewhere\n")
    workshop.sync_image(order, "", image)
    assert placed.read_text() == "FROM scratch\nCOPY . /craton\n"
    workshop.remove_build(order)
