"""An earlier version of EWMS, as the campaign of upgrades unpacks it and lets processes import it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.campaigns.upgrade import PACKAGES, PROCESSES, ROOT, choose_variables, unpack_version


def test_a_version_is_unpacked_as_it_was_committed(tmp_path: Path) -> None:
    repository, earlier = tmp_path / "repository", tmp_path / "earlier"
    for package in PACKAGES:
        (repository / package).mkdir(parents=True)
        (repository / package / "__init__.py").write_text("VERSION = 1\n")
    git = ["git", "-C", str(repository), "-c", "user.name=ada", "-c", "user.email=ada@example.org"]
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "one"]):
        subprocess.run([*git, *words], check=True)
    (repository / "wms/__init__.py").write_text("VERSION = 2\n")
    earlier.mkdir()
    commit = unpack_version("HEAD", earlier, root=repository)
    assert len(commit) >= 7
    assert sorted(each.name for each in earlier.iterdir()) == sorted(PACKAGES)
    variables = choose_variables("wms", {}, earlier)
    code = "import wms; print(wms.VERSION)"
    # The launcher's processes have its directory, which is often this repository.
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=variables, check=True, capture_output=True, text=True
    )
    assert done.stdout == "1\n", "and not the installed one"
    with pytest.raises(subprocess.CalledProcessError):
        unpack_version("no-such-revision", earlier, root=repository)


def test_every_package_of_the_processes_is_unpacked() -> None:
    assert all((ROOT / package / "__init__.py").exists() for package in PACKAGES)
    others = {each.parent.name for each in ROOT.glob("*/__init__.py")} - set(PACKAGES)
    assert others == {"tests"}


@pytest.mark.parametrize("name", PROCESSES)
def test_a_process_imports_the_earlier_version_and_then_the_one_here(name: str) -> None:
    earlier = Path("/run/earlier")
    began_with = {"PYTHONPATH": "/examples"} if name.startswith("worker") else {"HOME": "/h"}
    old, new = choose_variables(name, began_with, earlier), choose_variables(name, began_with, None)
    is_worker, is_tms = name.startswith("worker"), name.startswith("tms")
    assert old["PYTHONPATH"] == ("/run/earlier:/examples" if is_worker else "/run/earlier")
    assert new["PYTHONPATH"] == ("/examples" if is_worker else "")
    pilots = [json.loads(each["EWMS_PILOT_ENVIRONMENT"]) for each in (old, new) if is_tms]
    assert pilots == ([{"PYTHONPATH": "/run/earlier"}, {"PYTHONPATH": ""}] if is_tms else [])
