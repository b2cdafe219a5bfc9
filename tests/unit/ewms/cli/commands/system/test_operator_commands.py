"""`ewms cluster drain` and `ewms quota`: what they ask the server for, and what they refuse themselves."""

from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from ewms.cli.__main__ import main
from ewms.cli.context import GlobalOptions
from schemas.api.operators import DrainStatus, QuotasAnswer

STATUS = DrainStatus(location="osg", schedd="ap1", drain=None, who="", n_waiting=0, n_starting=0, n_running=2)
QUOTAS = QuotasAnswer(workflows=100, workflows_waiting=10, quotas=[])


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """What a command asked the server for."""
    asked: list[tuple[Any, ...]] = []

    def note(name: str, answer: Any) -> Any:
        def call(*arguments: Any, **options: Any) -> Any:
            asked.append((name, arguments, options))
            return answer

        return call

    operators = SimpleNamespace(
        drain=note("drain", STATUS),
        undrain=note("undrain", None),
        read_drain=note("read_drain", STATUS),
        set_quota=note("set_quota", QUOTAS),
        list_quotas=note("list_quotas", QUOTAS),
    )
    client = SimpleNamespace(operators=operators)
    monkeypatch.setattr(GlobalOptions, "make_client", lambda _: nullcontext(client))
    return asked


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["cluster", "drain", "osg"], ("drain", ("osg",), {"reason": "", "workers_end_at": None, "is_lost": False})),
        (
            ["cluster", "drain", "osg", "--lost"],
            ("drain", ("osg",), {"reason": "", "workers_end_at": None, "is_lost": True}),
        ),
        (["cluster", "undrain", "osg"], ("undrain", ("osg",), {})),
        (["cluster", "show", "osg"], ("read_drain", ("osg",), {})),
        (["quota", "list"], ("list_quotas", (), {})),
        (
            ["quota", "set", "ada", "--workflows", "5"],
            ("set_quota", ("ada",), {"organization": "", "workflows": 5, "workflows_waiting": None}),
        ),
        (
            ["quota", "set", "--waiting", "0"],
            ("set_quota", ("",), {"organization": "", "workflows": None, "workflows_waiting": 0}),
        ),
        (
            ["quota", "set", "--organization", "north", "--workflows", "9"],
            ("set_quota", ("",), {"organization": "north", "workflows": 9, "workflows_waiting": None}),
        ),
        (["quota", "reset", "ada"], ("set_quota", ("ada",), {"organization": ""})),
        (["quota", "reset", "--organization", "north"], ("set_quota", ("",), {"organization": "north"})),
    ],
    ids=lambda words: " ".join(words) if isinstance(words, list) else "",
)
def test_a_command_asks_the_server(words: list[str], expected: tuple[Any, ...], asked: list[tuple[Any, ...]]) -> None:
    assert main(words) == 0
    assert asked == [expected]


def test_the_time_until_workers_end_becomes_an_instant(
    asked: list[tuple[Any, ...]], capsys: pytest.CaptureFixture[str]
) -> None:
    began = datetime.now(UTC)
    assert main(["cluster", "drain", "osg", "--reason", "new disks", "--end-workers-in", "2h"]) == 0
    [(_, _, options)] = asked
    assert options["reason"] == "new disks"
    assert timedelta(hours=2) <= options["workers_end_at"] - began < timedelta(hours=2, minutes=5)
    assert "2 with workers" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["cluster", "drain", "osg", "--end-workers-in", "soon"], "not a duration: 'soon'"),
        (["quota", "set", "ada"], "name --workflows, --waiting or both"),
    ],
)
def test_a_command_refuses_what_it_cannot_ask(
    words: list[str], told: str, asked: list[tuple[Any, ...]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) != 0
    assert told in capsys.readouterr().err
    assert asked == []
