"""`ewms explain` asks the server that knows the id: a workflow, a process or a tree."""

import json
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest

from ewms.cli.__main__ import main
from ewms.cli.context import GlobalOptions
from schemas.api.workflows.explanation import Explanation, ObjectExplanation
from schemas.explain.named_cause import name_cause

PROCESS = "5a1c0000-0000-4000-8000-00000000000a"
HALTED = name_cause("run-halted", 2, noun="process", id=PROCESS)
MOVING = name_cause("moving", workflow="WF-1-00000001")


def make_explained(kind: str, left_out: int = 0) -> SimpleNamespace:
    found = ObjectExplanation(
        kind=kind, id=PROCESS, name="Release", standing="failed", causes=[HALTED], n_left_out=left_out
    )
    return SimpleNamespace(explain=lambda: found)


VIEWS = SimpleNamespace(explain=lambda: Explanation(workflow_id="WF-1-00000001", standing="running", causes=[MOVING]))
CLIENT = SimpleNamespace(
    run=lambda _: SimpleNamespace(views=VIEWS),
    trees=SimpleNamespace(get=lambda _: make_explained("tree", left_out=3)),
    processes=SimpleNamespace(get=lambda _: make_explained("process")),
)


@pytest.fixture(autouse=True)
def known_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(GlobalOptions, "make_client", lambda _: nullcontext(CLIENT))


@pytest.mark.parametrize("group", ["", "workflow ", "process ", "tree "])
@pytest.mark.parametrize(
    ("what", "told"),
    [
        ("WF-1-00000001", ["WF-1-00000001  running", "note: nothing is in the way"]),
        (
            "7",
            [
                f"Release  tree {PROCESS}  failed",
                "3 more cause(s) of the same kinds are left out",
                f"→ ewms process retry {PROCESS}",
            ],
        ),
        (
            PROCESS,
            [f"Release  process {PROCESS}  failed", "blocked: 2 step(s) failed for good, and it waits for a person"],
        ),
    ],
)
def test_each_kind_of_id_is_explained_whatever_the_group(
    group: str, what: str, told: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*f"{group}explain".split(), what]) == 0
    shown = capsys.readouterr().out
    assert [text for text in told if text not in shown] == [], shown


def test_the_data_are_the_answer_of_the_server(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "7", "-o", "json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert (found["kind"], found["n_left_out"], found["causes"][0]["cause"]) == ("tree", 3, "run-halted")


def test_another_word_is_refused_with_what_is_an_id(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "release"]) == 2
    assert "'release' is no id of a workflow, a process or a tree" in capsys.readouterr().err
