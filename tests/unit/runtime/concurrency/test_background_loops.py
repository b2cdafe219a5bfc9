"""A loop that runs in the background goes on whatever one round raises: nobody would notice its end."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[4]
PACKAGES = ("pilot", "tms", "mqs", "wms", "runtime", "ewms")

#: Loops whose end is seen by somebody who awaits them, with that somebody.
AWAITED = {
    ("runtime/amqp/sending.py", "_pass_waiting_frames"): "its one step waits for room in a queue of asyncio",
    ("runtime/amqp/publisher.py", "_send_until_confirmed"): "those who publish",
    ("mqs/broker/channel_lanes.py", "run"): "those who have the broker do something on its lanes",
    ("runtime/web/news/event_streams.py", "_wait_for_disconnect"): "its stream, which ends with it",
    ("ewms/queues/results.py", "_settle_dealt_with"): "the end of the consumer's block",
}


def started(tree: ast.Module) -> set[str]:
    """Return the functions of a module that it starts as tasks. The others are started by another module."""
    names = {"run", "look_until_end"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("create_task"):
            inner = node.args[0]
            if isinstance(inner, ast.Call):
                names.add(ast.unparse(inner.func).rpartition(".")[2])
    return names


def loops() -> Iterator[tuple[str, ast.AsyncFunctionDef]]:
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            tree = ast.parse(path.read_text())
            names = started(tree)
            for node in ast.walk(tree):
                if isinstance(node, ast.AsyncFunctionDef) and node.name in names and endless(node):
                    yield str(path.relative_to(ROOT)), node


def endless(function: ast.AsyncFunctionDef) -> list[ast.While]:
    """Return the outermost loops of a function that no data bounds."""
    return [node for node in function.body if isinstance(node, ast.While)]


def is_guarded(loop: ast.While) -> bool:
    """Whether a round catches every exception, and no handler ends the loop."""
    for node in ast.walk(loop):
        if isinstance(node, ast.ExceptHandler) and node.type is not None and ast.unparse(node.type) == "Exception":
            return not any(isinstance(inner, ast.Return | ast.Raise | ast.Break) for inner in node.body)
    return False


@cache
def found_loops() -> dict[tuple[str, str], ast.AsyncFunctionDef]:
    """Return the loops that nobody awaits. Each worker of pytest would read all sources if the module did so."""
    return {(path, node.name): node for path, node in loops() if (path, node.name) not in AWAITED}


def test_the_loops_are_found() -> None:
    assert len(found_loops()) >= 8
    assert ("runtime/concurrency/loops.py", "run") in found_loops()


def test_a_background_loop_outlives_what_one_round_raises() -> None:
    unguarded = [place for place, node in found_loops().items() if not all(map(is_guarded, endless(node)))]
    assert unguarded == []
