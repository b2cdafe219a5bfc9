"""The reference page of metrics is the one that the code makes."""

import subprocess
import sys

from deploy.monitoring.metrics_page import PATH


def test_the_page_of_metrics_is_that_of_the_code() -> None:
    # In a process of its own: tests declare metrics, too.
    made = subprocess.run(
        [sys.executable, "-m", "deploy.monitoring.metrics_page"], capture_output=True, text=True, check=True
    )
    assert made.stdout == PATH.read_text(), "run python -m deploy.monitoring.metrics_page --write"
