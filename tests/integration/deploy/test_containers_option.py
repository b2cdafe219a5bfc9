"""Asked for containers where no engine answers, the tests end at once with what to do: they never skip."""

import os
import subprocess
import sys


def test_without_an_engine_the_option_is_a_usage_error_that_names_the_way_out() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--services=containers", "--collect-only", "tests/unit/deploy"],
        env={**os.environ, "DOCKER_HOST": "unix:///nowhere/docker.sock"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 4, ended.stdout
    assert "--services=containers needs a container engine" in ended.stderr
    assert "DOCKER_HOST" in ended.stderr
    assert "skipped" not in ended.stdout
