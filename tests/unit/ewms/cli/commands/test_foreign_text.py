"""Text of other people cannot act on the terminal of a user who looks at a workflow, a tree or a process."""

from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest

from ewms.cli.__main__ import main
from ewms.cli.context import GlobalOptions
from ewms.cli.text.steps import processes
from schemas.api.workflows.explanation import ExplainedCause, Explanation
from schemas.causes.entry import Severity
from tests.unit.ewms.workflows.test_views import STANDING

CLEAR = "\x1b[2J\x9b31m"
CAUSE = ExplainedCause(cause="held", severity=Severity.BLOCKED, text=f"held: {CLEAR}", remedy=CLEAR, command=CLEAR)
VIEWS = SimpleNamespace(
    follow=lambda: iter([STANDING.model_copy(update={"problems": [CAUSE]})]),
    explain=lambda: Explanation(workflow_id="WF-1", standing="held", causes=[CAUSE]),
    draw=lambda **_: f"flowchart LR\n  {CLEAR}\n",
)
CLIENT = SimpleNamespace(
    run=lambda _: SimpleNamespace(views=VIEWS),
    trees=SimpleNamespace(get=lambda _: SimpleNamespace(draw=VIEWS.draw)),
    processes=SimpleNamespace(get=lambda _: SimpleNamespace(show=lambda: SimpleNamespace(steps=[], acts=[]))),
    subscriptions=SimpleNamespace(workflows=lambda _: {"modify": [{"name": "grow", "reason": CLEAR}]}),
)


@pytest.mark.parametrize(
    "command",
    [
        "workflow events WF-1",
        "explain WF-1",
        "workflow graph WF-1",
        "tree graph 7",
        "process log P-1",
        "subscription workflows S-1",
    ],
)
def test_escape_sequences_are_spelled_out(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def make_client(_: Any) -> Any:
        return nullcontext(CLIENT)

    monkeypatch.setattr(GlobalOptions, "make_client", make_client)
    monkeypatch.setattr(processes, "log_lines", lambda _: [f"failed: {CLEAR}"])
    assert main(command.split()) == 0
    shown = capsys.readouterr().out
    assert "\\x1b[2J\\x9b31m" in shown
    assert all(char.isprintable() or char == "\n" for char in shown)
