"""Task images made on the spot, run by the real apptainer."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from rich.console import Console

from deploy.local.errors import LaunchError
from deploy.local.fetch.cache import Installed
from deploy.local.fetch.images import UnpackedApptainer
from deploy.local.tasks.task_image import build_image, check_build, is_root


def _output(apptainer: UnpackedApptainer, image: Path, *command: str) -> str:
    outcome = subprocess.run(
        [apptainer.program, "--silent", "exec", "--userns", "--containall", "--no-home", image, *command],
        env=apptainer.build_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert outcome.returncode == 0, outcome.stderr
    return outcome.stdout


def test_an_image_with_python_runs_the_code_that_was_put_into_it(installed: Installed, tmp_path: Path) -> None:
    apptainer = UnpackedApptainer(installed.containers)
    code = tmp_path / "task.py"
    code.write_text("import json, math, sqlite3, ssl, sys; print(json.dumps([sys.prefix, math.tau, sys.argv[1:]]))")
    image = apptainer.build_with_files(installed.python_image, tmp_path / "image", files={code: "/opt/task/task.py"})
    printed = json.loads(_output(apptainer, image, "python3", "/opt/task/task.py", "a b", "$HOME"))
    assert printed == ["/usr", 6.283185307179586, ["a b", "$HOME"]]


def test_building_leaves_the_cached_root_as_it_was(installed: Installed, tmp_path: Path) -> None:
    code = tmp_path / "x"
    code.write_text("x")
    UnpackedApptainer(installed.containers).build_with_files(
        installed.python_image, tmp_path / "image", files={code: "/usr/bin/x"}
    )
    assert not (installed.python_image / "usr/bin/x").exists()


def test_an_image_can_be_one_file(installed: Installed, tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (root / "etc").mkdir()
    image = UnpackedApptainer(installed.containers).build_with_files(root, tmp_path / "image.sif")
    assert image.read_bytes().find(b"SIF_MAGIC") >= 0
    assert not (tmp_path / "image.sandbox").exists()


def test_a_base_that_is_not_there_is_an_error_in_apptainers_words(installed: Installed, tmp_path: Path) -> None:
    with pytest.raises(LaunchError, match="could not build image") as raised:
        UnpackedApptainer(installed.containers).build_with_files(tmp_path / "nothing", tmp_path / "image")
    assert str(tmp_path / "nothing") in str(raised.value)


def test_a_folder_of_programs_becomes_an_image_with_python(installed: Installed, tmp_path: Path) -> None:
    source = tmp_path / "code"
    source.mkdir()
    (source / "task.py").write_text("import helper; print(helper.WORD)")
    (source / "helper.py").write_text("WORD = 'built'")
    image = build_image(source, tmp_path / "image", Console(quiet=True), os.environ)
    assert is_root(image)
    assert _output(UnpackedApptainer(installed.containers), image, "python3", "/opt/task/task.py") == "built\n"
    assert {entry.name for entry in tmp_path.iterdir()} == {"code", "image"}
    # A root file system is taken as it is, also into one file.
    again = build_image(image, tmp_path / "image.sif", Console(quiet=True), os.environ)
    assert b"SIF_MAGIC" in again.read_bytes()[:4096]


@pytest.mark.parametrize(
    ("source", "destination", "says"),
    [
        ("nothing", "image", "nothing does not exist"),
        ("file.txt", "image", "neither a directory nor a definition file"),
        ("code", "code", "exists already"),
        ("code", "code/image", "lies inside"),
    ],
)
def test_what_cannot_become_an_image_is_said_before_anything_is_made(
    source: str, destination: str, says: str, tmp_path: Path
) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "file.txt").touch()
    with pytest.raises(LaunchError, match=says):
        check_build(tmp_path / source, tmp_path / destination)
