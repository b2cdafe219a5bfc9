"""The words of `ewms simulate`, and what it says without a simulation."""

import tomllib
from importlib import metadata
from pathlib import Path

import pytest

from ewms.cli.commands.fleet.simulate import GROUP, find_simulator, parse_workers
from ewms.errors import Unreachable
from schemas.errors import Rejected

ROOT = Path(__file__).parents[6]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], {}),
        (["reco=1,2, 4"], {"reco": [1, 2, 4]}),
        (["reco=1", "fit=3", "reco=2"], {"reco": [1, 2], "fit": [3]}),
        # The name of a bare process is its arguments.
        (["python3 -c x=1=5"], {"python3 -c x=1": [5]}),
        (["reco=0"], {"reco": [0]}),
    ],
)
def test_numbers_are_read_by_task(words: list[str], expected: dict[str, list[int]]) -> None:
    assert parse_workers(words) == expected


@pytest.mark.parametrize("word", ["", "reco", "=3", "reco=", "reco=1,,2", "reco=many", "reco=1.5"])
def test_a_word_of_another_form_is_refused(word: str) -> None:
    with pytest.raises(Rejected, match="write it as TASK=N,N") as refused:
        parse_workers([word])
    assert refused.value.hint


def choose_entry_point(monkeypatch: pytest.MonkeyPatch, *values: str) -> None:
    found = [metadata.EntryPoint("local", value, GROUP) for value in values]
    monkeypatch.setattr(metadata, "entry_points", lambda group: found if group == GROUP else [])


def test_the_simulation_is_found_by_its_entry_point(monkeypatch: pytest.MonkeyPatch) -> None:
    from deploy.simulation.simulator import simulate

    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"][GROUP]
    choose_entry_point(monkeypatch, *declared.values())
    assert find_simulator() is simulate


@pytest.mark.parametrize("values", [(), ("no_such_library.simulator:simulate",)])
def test_without_a_simulation_the_remedy_is_told(monkeypatch: pytest.MonkeyPatch, values: tuple[str, ...]) -> None:
    choose_entry_point(monkeypatch, *values)
    with pytest.raises(Unreachable, match="simulation") as refused:
        find_simulator()
    assert "pip install 'ewms[local]'" in refused.value.hint
