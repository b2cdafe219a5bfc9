"""No test may run for ever, and none decides by itself how many examples it draws."""

import ast
import asyncio
import signal
import subprocess
import sys
import time
from pathlib import Path

import hypothesis
import pytest

from tests.examples import DEFAULT, FAST, FUZZ, part_of_examples
from tests.limits import AGAIN_S, find_unlimited, repeat_alarm

ROOT = Path(__file__).parents[3]
#: What a profile decides for all tests.
OF_THE_PROFILE = {"deadline", "stateful_step_count"}


def test_a_test_with_a_limit_of_nothing_is_found(request: pytest.FixtureRequest) -> None:
    assert find_unlimited(request.config, [request.node]) == []
    request.node.add_marker(pytest.mark.timeout(0))
    assert find_unlimited(request.config, [request.node]) == [request.node.nodeid]


def test_a_test_may_have_a_limit_of_its_own(request: pytest.FixtureRequest) -> None:
    request.node.add_marker(pytest.mark.timeout(timeout=1.5))
    assert find_unlimited(request.config, [request.node]) == []


def test_a_test_beyond_its_limit_is_told_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A callback of an event loop swallows what the first alarm raises."""
    assert signal.getitimer(signal.ITIMER_REAL)[1] == AGAIN_S
    rings: list[int] = []

    def ring(number: int, _: object) -> None:
        rings.append(number)
        raise TimeoutError(f"alarm {len(rings)}")

    async def swallow_alarms() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda *_: None)
        loop.call_soon(time.sleep, 60)
        await asyncio.sleep(60)

    monkeypatch.setattr("tests.limits.AGAIN_S", 0.2)
    left = signal.getitimer(signal.ITIMER_REAL)
    before = signal.signal(signal.SIGALRM, ring)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        repeat_alarm()
        with pytest.raises(TimeoutError):
            asyncio.run(swallow_alarms())
    finally:
        signal.setitimer(signal.ITIMER_REAL, *left)
        signal.signal(signal.SIGALRM, before)
    assert len(rings) >= 2


def test_in_the_background_what_a_test_starts_still_hears_interrupts() -> None:
    """`make test &` ignores SIGINT; tests, and the processes that they start, must not inherit that."""
    child = "import os, signal, time; os.kill(os.getpid(), signal.SIGINT); time.sleep(60)"
    suite = (
        "import signal, subprocess, sys\n"
        "signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "import tests.conftest\n"
        f"sys.exit(subprocess.run([sys.executable, '-c', {child!r}]).returncode != -signal.SIGINT)"
    )
    subprocess.run([sys.executable, "-c", suite], cwd=ROOT, check=True, capture_output=True)


def _fixed_settings(path: Path) -> list[str]:
    """Return the settings of hypothesis that a file sets by itself, each with its line."""
    calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    named = [call for call in calls if ast.unparse(call.func).rpartition(".")[2] == "settings"]
    return [
        f"{path.relative_to(ROOT)}:{word.value.lineno} {word.arg}"
        for call in named
        for word in call.keywords
        if word.arg in OF_THE_PROFILE or (word.arg == "max_examples" and not _is_a_part(word.value))
    ]


def _is_a_part(value: ast.expr) -> bool:
    return isinstance(value, ast.Call) and ast.unparse(value.func) == part_of_examples.__name__


def test_the_profile_alone_decides_about_examples_and_deadlines() -> None:
    files = [path for path in ROOT.glob("tests/**/*.py") if path != ROOT / "tests/examples.py"]
    assert [found for path in files for found in _fixed_settings(path)] == []


def test_the_profile_for_fuzzing_draws_many_more_examples_and_no_profile_has_a_deadline() -> None:
    loaded = hypothesis.settings.get_profile(hypothesis.settings.get_current_profile_name())
    handful, few, many = (hypothesis.settings.get_profile(name) for name in (FAST, DEFAULT, FUZZ))
    assert handful.deadline is few.deadline is many.deadline is None
    assert many.max_examples >= 20 * few.max_examples
    assert part_of_examples(0.5) == loaded.max_examples // 2
