"""A launched tree as text: each node below its parent, with state, reason and time; and news while one watches."""

from datetime import UTC, datetime
from typing import Any

import pytest

from ewms.cli.text.automation.tree_watch import draw_tree
from ewms.cli.text.automation.trees import tree_lines
from ewms.cli.text.terminal.steps_display import StepsDisplay

NOW = datetime(2026, 11, 29, 8, 0, 10, tzinfo=UTC)


def node(number: int, name: str, status: str, why: str = "", **fields: Any) -> dict[str, Any]:
    times = {"started": None, "finished": None, "job": None}
    return {"id": number, "name": name, "status": status, "why": why, **times, **fields}


JOB: dict[str, Any] = {
    "id": 7,
    "name": "release",
    "status": "running",
    "job_explanation": "",
    "graph": {
        "nodes": [
            node(
                1,
                "build",
                "successful",
                "a root",
                job=8,
                started="2026-11-29T08:00:00Z",
                finished="2026-11-29T08:00:02Z",
            ),
            node(2, "test", "due", "after success of build (successful)", job=9, started="2026-11-29T08:00:02Z"),
            node(3, "rollback", "passed", "not after failure of build (successful)"),
            node(4, "sign", "pending", "waits for success of test (due)"),
            node(5, "lint", "failed", "no"),
        ],
        "edges": [
            {"source": 1, "kind": "success", "target": 2},
            {"source": 1, "kind": "failure", "target": 3},
            {"source": 2, "kind": "success", "target": 4},
            {"source": 5, "kind": "success", "target": 4},
        ],
    },
}


def test_each_node_stands_below_its_first_parent_with_state_reason_and_time() -> None:
    assert [line.plain for line in tree_lines(JOB, NOW)] == [
        "release  job 7  running",
        "  ✓ build  successful 2.0 s  job 8  a root",
        "    ~ success: test  due 8.0 s  job 9  after success of build (successful)",
        "      · success: sign  pending  waits for success of test (due)",
        "    - failure: rollback  passed  not after failure of build (successful)",
        "  ✗ lint  failed  no",
        "    success: sign, above",
    ]


def test_a_failed_tree_says_why() -> None:
    failed = {**JOB, "status": "failed", "job_explanation": "no edge handles ..."}
    assert [line.plain for line in tree_lines(failed, NOW)][1] == "  no edge handles ..."


def test_without_a_terminal_each_change_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    with StepsDisplay() as display:
        draw_tree(display, JOB, NOW)
        assert capsys.readouterr().err.splitlines() == [
            "build: successful, a root",
            "test: due, after success of build (successful)",
            "rollback: passed, not after failure of build (successful)",
            "lint: failed, no",
            "release is running",
        ]
        draw_tree(display, JOB, NOW)
    assert capsys.readouterr().err == ""
