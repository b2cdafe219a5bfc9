"""The groups of commands: all are there, and a command loads its own group and the models of what it shows."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from typer.main import get_command

from ewms.cli.app import app
from ewms.cli.groups import GROUPS, name_module

ROOT = Path(__file__).parents[4]
#: `show` asks a server that is not there; by then it has imported all that it needs.
SHOW = ["--server", "http://127.0.0.1:1", "--timeout", "1ms", "workflow", "show", "WF-6b00e09f-926a610b"]


def list_loaded(words: list[str]) -> set[str]:
    """Return the modules that the command `words` loads."""
    code = f"import sys; from ewms.cli.__main__ import main; main({words!r}); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    return set(done.stdout.split())


def test_each_group_is_a_module_with_commands() -> None:
    parser = get_command(app)
    assert set(GROUPS) <= set(parser.commands)  # type: ignore[attr-defined]  # a group of commands has them
    for name in GROUPS:
        assert parser.commands[name].commands, name  # type: ignore[attr-defined]  # as above
        assert find_spec(name_module(name)) is not None


def test_a_command_loads_its_own_group_and_what_it_shows() -> None:
    loaded = list_loaded(SHOW)
    assert "ewms.workflows.run" in loaded
    assert {name for name in loaded if name.startswith("ewms.cli.commands.")} >= {"ewms.cli.commands.fleet.workflow"}
    others = {name_module(name) for name in GROUPS if name != "workflow"}
    assert not loaded & others
    assert not loaded & {
        "aio_pika",
        "ewms.catalogue",
        "ewms.jobs",
        "ewms.trees",
        "schemas.automation.jobs",
        "schemas.automation.builds",
    }


def test_the_help_of_the_whole_command_loads_no_group() -> None:
    loaded = list_loaded(["--help"])
    assert "ewms.cli.groups" in loaded
    assert not loaded & {name_module(name) for name in GROUPS}


@pytest.mark.parametrize(("typo", "wanted"), [("wrokflow", "'workflow'"), ("docter", "'doctor'")])
def test_a_typo_is_answered_with_groups_and_commands_of_that_kind(
    typo: str, wanted: str, capsys: pytest.CaptureFixture[str]
) -> None:
    from ewms.cli.__main__ import main

    assert main([typo]) == 2
    assert wanted in capsys.readouterr().err
