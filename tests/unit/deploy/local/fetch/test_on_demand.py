"""Stand-ins for container programs: what they do before, while and after the programs come into the cache."""

import json
import os
import stat
import subprocess
from pathlib import Path

import pytest

from deploy.local.fetch.cache import Installed
from deploy.local.fetch.on_demand import (
    write_builder_download,
    write_builder_programs,
    write_stand_ins,
    write_tree_path,
)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A tree whose programs say their name, their arguments and where they would look for helpers."""
    for name in ("apptainer", "bwrap"):
        program = tmp_path / "a tree/usr/bin" / name
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text(f'#!/bin/sh\necho {name} "$#" "$@"; echo "${{PATH%%:*}}"; exit 7\n')
        program.chmod(0o755)
    return tmp_path / "a tree"


@pytest.mark.parametrize("name", ["apptainer", "bwrap"])
def test_once_the_tree_is_known_a_stand_in_is_the_program(tmp_path: Path, tree: Path, name: str) -> None:
    directory = tmp_path / "it's here"
    directory.mkdir()
    stand_in = write_stand_ins(directory, {}).with_name(name)
    write_tree_path(tree, directory / "tree")
    ended = subprocess.run(
        [stand_in, "exec", "a b", "$HOME"], env={"PATH": os.defpath}, capture_output=True, text=True, check=False
    )
    assert ended.stdout.splitlines() == [f"{name} 3 exec a b $HOME", str(tree / "usr/bin")]
    assert ended.returncode == 7


def test_what_a_download_needs_of_the_launchers_environment_is_in_it_and_nothing_else(tmp_path: Path) -> None:
    environment = {
        "PATH": "/bin", "HOME": "/home/it's me", "HTTPS_PROXY": "http://proxy.example:3128", "EWMS_TOKEN": "geheim",
        "XDG_CACHE_HOME": "/scratch/cache", "EWMS_DEBIAN_MIRROR": "http://mirror.example/debian",
    }  # fmt: skip
    stand_in = write_stand_ins(tmp_path, environment)
    script = (tmp_path / "download").read_text()
    for word in ("XDG_CACHE_HOME=/scratch/cache", "mirror.example", "proxy.example", "PATH=/bin"):
        assert word in script
    assert "geheim" not in script
    assert "proxy.example" not in stand_in.read_text()
    assert stat.S_IMODE((tmp_path / "download").stat().st_mode) == 0o600, "a proxy's password may be in it"
    assert stat.S_IMODE((tmp_path / "apptainer").stat().st_mode) == 0o755


def test_a_stand_in_that_cannot_get_its_program_says_why_and_fails(tmp_path: Path) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.touch()
    directory = tmp_path / "programs"
    directory.mkdir()
    environment = {"PATH": os.environ["PATH"], "XDG_CACHE_HOME": str(in_the_way), "PYTHONPATH": str(Path.cwd())}
    stand_in = write_stand_ins(directory, environment)
    ended = subprocess.run([stand_in, "exec", "x"], env={}, capture_output=True, text=True, check=False)
    assert ended.returncode == 255
    assert ended.stdout == ""
    assert "cannot write to the cache" in ended.stderr
    assert not (directory / "tree").exists()


def test_the_builder_s_programs_come_by_a_command_that_names_no_secret(tmp_path: Path) -> None:
    known, command = write_builder_download(tmp_path, {"HTTPS_PROXY": "http://ada:geheim@proxy.example"})
    assert not known.exists()
    assert "geheim" not in " ".join(command)
    script = Path(command[-1]).read_text()
    assert f"deploy.local builder {known}" in script
    assert "geheim" in script
    assert stat.S_IMODE(Path(command[-1]).stat().st_mode) == 0o600


def test_the_builder_s_programs_and_base_images_are_known_by_their_paths(tmp_path: Path) -> None:
    trees = {name: Path("/cache", name) for name in ("builder", "containers", "python-image")}
    write_builder_programs(Installed(trees, "sid", {}), tmp_path / "programs.json")
    assert json.loads((tmp_path / "programs.json").read_text()) == {
        "builder": "/cache/builder",
        "containers": "/cache/containers",
        "bases": {"ewms/python": "/cache/python-image"},
    }
    assert [one.name for one in tmp_path.iterdir()] == ["programs.json"]
