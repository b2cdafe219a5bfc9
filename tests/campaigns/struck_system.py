"""A whole system that campaigns strike, and calls that go on while it is struck."""

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TypeVar

from rich.console import Console

from deploy.local.fetch.cache import Installed
from deploy.local.files.run_directory import run_directory
from deploy.local.system.stack import Stack
from deploy.local.system.stack_launch import running_stack
from deploy.local.system.wiring import PoolName
from ewms import AlreadyThere, EWMSError, TimedOut
from tests.campaigns.strikes import start_watching

#: After the last fault everything must be back to work, and the run over, within this time.
PATIENCE_S = 240.0

T = TypeVar("T")


@contextmanager
def watched_system(
    console: Console, installed: Installed, *, pool: PoolName, environment: Mapping[str, str] = os.environ
) -> Iterator[Stack]:
    """Have the system for the block, whose launcher starts again what ends."""
    with (
        run_directory(keep_logs=lambda: True) as directory,
        running_stack(installed, directory, pool=pool, environment=environment) as stack,
    ):
        console.print(f"logs: {stack.logs}", highlight=False, markup=False)
        start_watching(stack)
        yield stack


def persist(call: Callable[[], T]) -> T:
    """Return what `call` returns, tried again while the system is struck.

    Raises:
        AlreadyThere, TimedOut: at once, as `call` raises it.
        EWMSError: the last one of `call`, after the patience is over.
    """
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            return call()
        except (AlreadyThere, TimedOut):
            raise
        except EWMSError:
            if time.monotonic() > deadline:
                raise
        time.sleep(0.3)
