"""`python -m ewms.worker`: run a step worker. All settings come from the environment."""

from typing import Any

from ewms.worker.app import run_worker
from ewms.worker.settings import WorkerSettings
from runtime.process import run_process


def run_until_told(**settings: Any) -> None:
    """Run a step worker until a signal comes, then end the process. `settings` override the environment."""
    run_process(lambda: run_worker(WorkerSettings(**settings)), service="steps")


if __name__ == "__main__":
    run_until_told()
